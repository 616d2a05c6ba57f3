#!/bin/sh
# text.sh: what every source file looks like; the rules stand in text.awk.
set -eu
cd "$SOURCE"
export LC_ALL=C
rooms='include base backends kernels runtime tuner trainer cli bench tests examples cmake scripts .ci'
files=$(find CMakeLists.txt Makefile $rooms -type f 2>/dev/null | sort |
    grep -E -e '[.]([chsS]|inl|def|cc|cu|cuh|cl|cmake|sh|awk|map)$' \
        -e '(CMakeLists.txt|Makefile)$' -e '^(scripts|.ci)/')
awk -f tests/house/text.awk $files || { echo "(scripts/format wraps lines that are too long)"; exit 1; }

plant=$STAGE/text
count=0
try() {   # try <refused|taken> <text for printf>
    printf "$2" > "$plant"
    if awk -f tests/house/text.awk "$plant" > "$plant.log"; then got=taken; else got=refused; fi
    [ "$got" = "$1" ] || { echo "planted: $2 was $got, must be $1" >&2; exit 1; }
    count=$((count + 1))
}
long=$(printf '%0120d' 0)
wide=$(printf '%060d' 0 | sed 's/0/\\303\\244/g')
try taken   '/* plate */\nint a;\n'
try taken   '#!/bin/sh\n# plate\n'
try taken   "/* plate */\n$long\n"
try taken   "/* plate */\n$wide$wide\n"
try refused "/* plate */\n${long}0\n"
try refused "/* plate */\n$wide${wide}a\n"
try refused 'int a;\n'
try refused '/* plate */\n\tint a;\n'
try refused '/* plate */\nint a; \n'
try refused "/* plate */\n/* TO""DO: later */\n"
try refused '/* plate */\n#if 0\n#endif\n'
echo "$count planted texts judged rightly"
