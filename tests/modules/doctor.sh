#!/bin/sh
# doctor.sh: what `hone doctor` says on a machine whose modules fail in each way, and that the rest goes on.
#
#   doctor.sh --all  BUILD PLANTED ABI [WAY ...]   all at once; each sentence must be there         (a test)
#   doctor.sh --each BUILD PLANTED ABI [WAY ...]   one after the other, printed as a user would see it; those that
#                                                  hang are only tried here, ten seconds each
#
# A copy of the program is laid out as an installation is, beside modules that are sound but for one thing.
set -eu
mode=$1 build=$2 planted=$3 abi=$4
shift 4

stage=$(mktemp -d /tmp/hone-doctor-XXXXXX)
trap 'rm -rf "$stage"' EXIT
folder=$stage/lib/hone/modules-$abi
mkdir -p "$stage/bin" "$stage/libexec/hone"
chmod 755 "$stage"
cp "$build/cli/hone" "$stage/bin/hone"
cp "$build/libexec/hone/hone-probe" "$stage/libexec/hone/hone-probe"
chmod 755 "$stage/bin/hone" "$stage/libexec/hone/hone-probe"
HONE_PROFILE_PATH=$stage/profiles
export HONE_PROFILE_PATH
unset HONE_MODULES

# way | planted module it is made from | what doctor must say
ways='
missing             | -                    | 0 faults
sound               | sound                | 0 faults
wrong_abi           | wrong_abi            | it speaks the ABI
no_function         | no_function          | it has no function hone_module_open
missing_symbol      | lacks_symbol         | undefined symbol: planted_elsewhere
missing_library     | lacks_library        | libplanted_elsewhere.so: cannot open shared object file
crash_at_opening    | crash_in_constructor | it crashed at opening: signal 11
crash               | crash                | it crashed at its hone_module_open: signal 11
abort               | abort                | signal 6
exit                | exit                 | with exit status 5
incomplete_row      | row_lacks            | lacks one of its functions
hang_at_opening     | hang_in_constructor  | it hung at opening, and was ended after 10 seconds
hang                | hang                 | it hung at its hone_module_open, and was ended after 10 seconds
truncated           | sound                | it crashed at opening: signal 7
empty               | sound                | file too short
not_a_library       | sound                | invalid ELF header
other_architecture  | sound                | it was built for another kind of machine
folder              | -                    | it is no regular file
link                | sound                | it is no regular file
writable            | sound                | others may write to it
'

# plant <way> <module>: hone_<way>.so, and what is wrong with it.
plant() {
    file=$folder/hone_$1.so
    [ "$2" = - ] || { cp "$planted/planted_$2.so" "$file"; chmod 755 "$file"; }
    case $1 in
        truncated)          head -c 600 "$planted/planted_$2.so" > "$file" ;;
        empty)              : > "$file" ;;
        not_a_library)      head -c 6000 "$0" > "$file" ;;
        other_architecture) printf '\013\000' | dd of="$file" bs=1 seek=18 conv=notrunc 2>/dev/null ;; # a VAX
        folder)             mkdir "$file" ;;
        link)               mv "$file" "$stage/elsewhere.so"; ln -s "$stage/elsewhere.so" "$file" ;;
        writable)           chmod 757 "$file" ;;
    esac
}

# What doctor says, its lines joined; on stderr as it stands.
doctor() {
    "$stage/bin/hone" doctor > "$stage/told" 2>&1 || [ $? = 1 ]
    sed 's/^/    /' "$stage/told" >&2
    tr '\n' ' ' < "$stage/told" | tr -s ' '
}

# wanted <way> [<those asked for>]
wanted() {
    [ $# -gt 1 ] || return 0
    this=$1
    shift 1
    for word in "$@"; do [ "$word" != "$this" ] || return 0; done
    return 1
}

failed=0
must_say() { # must_say <way> <sentence> <what was told>
    case $3 in
        *"$2"*) ;;
        *) echo "doctor.sh: of '$1' doctor does not say: $2" >&2; failed=1 ;;
    esac
}

# The rest goes on: a product is right, by hone's own kernels.
goes_on() {
    "$stage/bin/hone" check "matmul f32 nn 9x10x11" --kernel cpu.direct > "$stage/check" 2>&1 ||
        { echo "doctor.sh: with '$1' planted a product fails" >&2; cat "$stage/check" >&2; failed=1; }
}

start() { rm -rf "$folder" "$stage/profiles"; mkdir -p "$folder"; chmod 755 "$folder"; }

each() {
    echo "$ways" | while IFS='|' read -r way module sentence; do
        way=$(echo $way) module=$(echo $module) sentence=$(echo $sentence)
        [ -n "$way" ] && wanted "$way" "$@" || continue
        start
        [ "$way" = missing ] || plant "$way" "$module"
        echo "--- $way" >&2
        must_say "$way" "$sentence" "$(doctor)"
        goes_on "$way"
        [ $failed = 0 ] || exit 1
    done
    start
    plant sound sound
    chmod 777 "$folder"
    echo "--- the folder is writable" >&2
    must_say "the folder is writable" "the folder is not used: others may write to it" "$(doctor)"
}

all() {
    start
    echo "$ways" > "$stage/ways"
    while IFS='|' read -r way module sentence; do
        way=$(echo $way) module=$(echo $module)
        case $way in ''|missing|hang*) continue ;; esac
        plant "$way" "$module"
    done < "$stage/ways"
    told=$(doctor 2> /dev/null)
    while IFS='|' read -r way module sentence; do
        way=$(echo $way) sentence=$(echo $sentence)
        case $way in ''|missing|sound|hang*) continue ;; esac
        of_it=${told#*"hone_$way.so: "} # from its name on, until the next module's
        must_say "$way" "$sentence" "${of_it%%fault:*}"
    done < "$stage/ways"
    goes_on all
    "$stage/bin/hone" explain "matmul f32 nn 1x1x1" | grep -q planted.sound ||
        { echo "doctor.sh: the sound module beside them is not used" >&2; failed=1; }
    [ $failed = 0 ] || { printf '%s\n' "$told" >&2; exit 1; }
}

case $mode in
    --each) each "$@" ;;
    --all)  all ;;
    *)      sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
