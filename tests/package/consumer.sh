#!/bin/sh
# consumer.sh <way>: one test of the package; see CMakeLists.txt beside it. What it works with comes by environment:
# CC CXX CMAKE GENERATOR NM (tools), SOURCE (of hone), BUILD (its build tree), STAGE (a folder of ours).
set -eu
first=$SOURCE/examples/first.c
prefix=$STAGE/moved
out=$STAGE/$1
skip() { echo "skipped: $*"; exit 77; }
fail() { echo "failed: $*" >&2; exit 1; }

# The library folder is lib, lib64 or lib/<triplet>: found, not assumed.
find_libdir() {
    pc=$(find "$1" -name hone.pc) && [ -n "$pc" ] || fail "no hone.pc under $1"
    libdir=$(cd "$(dirname "$pc")/.." && pwd)
    export PKG_CONFIG_PATH="$libdir/pkgconfig"
}
need_pkg_config() { command -v pkg-config >/dev/null || skip "no pkg-config"; }
build_with_cmake() {   # our own small project, then both of its programs
    "$CMAKE" -G "$GENERATOR" -S "$SOURCE/tests/package/consumer" -B "$out" -DCMAKE_C_COMPILER="$CC" "$@"
    "$CMAKE" --build "$out" --parallel 2
    "$out/first_shared"
    "$out/first_static"
}
strict='-Wall -Wextra -Wpedantic -Werror'

rm -rf "$out"; mkdir -p "$out"
case $1 in
install)
    rm -rf "$prefix" "$STAGE/made"
    "$CMAKE" --install "$BUILD" --prefix "$STAGE/made" > "$out/log"
    mv "$STAGE/made" "$prefix"
    find_libdir "$prefix"
    # Text that users read must not point back to where it was built, or first installed.
    if grep -rn -e "$BUILD" -e "$STAGE" -e "$SOURCE" "$libdir/pkgconfig" "$libdir/cmake" "$prefix/include"; then
        fail "the installation names folders of the build"
    fi
    # Profiles come with it, as the last layer, and are found from where it lies now.
    shipped=$prefix/share/hone/profiles
    [ -d "$shipped" ] || fail "no profiles in $shipped"
    for file in "$SOURCE"/profiles/*.jsonl; do
        cmp "$file" "$shipped/${file##*/}" || fail "${file##*/} is not installed as it is"
    done
    [ -x "$prefix/bin/hone" ] || exit 0
    export HOME="$out/home" HONE_MODULES=off HONE_TUNE=read
    unset XDG_DATA_HOME HONE_PROFILE_PATH
    problem='matmul f32 nn 24x24x24'
    HONE_PROFILE_PATH=$out/own "$prefix/bin/hone" tune "$problem" --threads 1 --budget 20s > "$out/tuned" 2>&1 ||
        { cat "$out/tuned"; fail "it does not tune"; }
    file=$(ls "$out/own" | grep -E '^[0-9a-f]{16}\.jsonl$')
    rm -f "$shipped"/*.jsonl
    "$prefix/bin/hone" explain "$problem" --threads 1 > "$out/before"
    if grep 'by  *measured' "$out/before"; then fail "measured, and nothing is there"; fi
    HONE_PROFILE_PATH=$out/own "$prefix/bin/hone" profile export > "$shipped/$file"
    "$prefix/bin/hone" explain "$problem" --threads 1 > "$out/after"
    grep 'by  *measured' "$out/after" || { cat "$out/after"; fail "what was shipped is not used"; }
    ;;
pkg_config)
    need_pkg_config; find_libdir "$prefix"
    $CC -std=c11 $strict "$first" -o "$out/first" $(pkg-config --cflags --libs hone)
    LD_LIBRARY_PATH=$libdir "$out/first"
    LD_LIBRARY_PATH=$libdir ldd "$out/first" | grep -F "$libdir/libhone.so.0" || fail "not linked to libhone.so.0"
    ;;
pkg_config_static)
    need_pkg_config
    cp -R "$prefix" "$out/prefix"                       # an installation with the archive alone
    find "$out/prefix" -name 'libhone.so*' -exec rm {} +
    find_libdir "$out/prefix"
    $CC -std=c11 $strict "$first" -o "$out/first" $(pkg-config --static --cflags --libs hone)
    "$out/first"
    if ldd "$out/first" | grep libhone; then fail "still needs libhone.so"; fi
    ;;
cplusplus)
    need_pkg_config; find_libdir "$prefix"
    [ -n "$CXX" ] && command -v "$CXX" >/dev/null || skip "no C++ compiler"
    $CXX -std=c++17 $strict -x c++ "$first" -o "$out/first" $(pkg-config --cflags --libs hone)
    LD_LIBRARY_PATH=$libdir "$out/first"
    ;;
cmake_installed)
    build_with_cmake -DHONE_FROM=installation -DCMAKE_PREFIX_PATH="$prefix"
    ;;
cmake_subdirectory)
    build_with_cmake -DHONE_FROM="$SOURCE"
    ;;
symbols)
    # Exported is what the headers promise, no more and no less.
    command -v "$NM" >/dev/null || skip "no nm"
    "$NM" -D --defined-only "$BUILD/libhone.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        sort > "$out/exported"
    awk -f "$SOURCE/tests/package/promised.awk" "$SOURCE"/include/hone/*.h | sort > "$out/promised"
    [ -s "$out/promised" ] || fail "no HONE_API function was found in the headers"
    diff "$out/promised" "$out/exported" || fail "< promised by a header, > exported: they must be the same"
    wc -l < "$out/exported" | sed 's/$/ symbols, each promised by a header/'
    ;;
abi)
    exec sh "$SOURCE/scripts/abi" --check "$BUILD/libhone.so"
    ;;
*)
    fail "no such way: $1"
    ;;
esac
