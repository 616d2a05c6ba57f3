#!/bin/sh
# speed.sh: each kernel's sources are those that its version was given for, or somebody said that their speed is the
# same (scripts/speed). It has a label of its own: while work goes on, the rest of the house can be looked at without an
# answer.
set -eu
cd "$SOURCE"
sh scripts/speed

# The test of the test, in a small house of its own.
house=$STAGE/speed
rm -rf "$house"
mkdir -p "$house/kernels/op" "$house/scripts"
cp scripts/speed "$house/scripts/"
cd "$house"
printf '/* plate */\n#include "kernels/op/tile.h"\n{\n    .op_version = 2,\n    .version = 3,\n};\n' > kernels/op/a.c
printf '/* plate */\nint b; /* none of tile.h */\n{\n    .op_version = 2,\n    .version = 1,\n};\n' > kernels/op/b.c
printf '/* plate */\nint tile(void);\n' > kernels/op/tile.h
printf '/* plate */\nint tile(void) { return 1; }\n' > kernels/op/tile_avx2.c
: > kernels/speed.txt
count=0
try() {   # try <what must be open, or nothing> : what is asked about
    sh scripts/speed > said && open=nothing || open=$(sed -n -E 's/.*given for: (.*) $/\1/p' said)
    [ "$open" = "$1" ] || { echo "planted: '$open' is open, must be '$1'" >&2; cat said >&2; exit 1; }
    count=$((count + 1))
}
versions() { cat kernels/op/[ab].c | sed -n -E 's/.* \.version = ([0-9]+),/\1/p' | tr '\n' ' '; }
say() {   # say <versions afterwards> <answer...>
    sh scripts/speed $2 > said || { cat said >&2; exit 1; }
    [ "$(versions)" = "$1 " ] || { echo "after '$2' the versions are $(versions), must be $1" >&2; exit 1; }
    count=$((count + 1))
}
try 'a b'
say '3 1' 'same all'
try nothing
printf '/* another plate */\nint tile(void)\n{\n    return 1; // one\n}\n' > kernels/op/tile_avx2.c
try nothing
printf '/* plate */\nint tile(void) { return 2; }\n' > kernels/op/tile_avx2.c
try a
say '3 1' 'same b'
try a
say '4 1' 'changed a'
try nothing
printf 'int more;\n' >> kernels/op/b.c
printf 'int more;\n' >> kernels/op/tile.h
try 'a b'
say '4 2' 'changed b'
say '4 2' 'same all'
say '5 3' 'changed every'
try nothing
sed -i 's/version = 5/version = 6/' kernels/op/a.c
try a
say '6 3' 'same a'
rm kernels/op/b.c
try b
sh scripts/speed same b > said
try nothing
if sh scripts/speed same c > said 2>&1; then echo "an answer about c was taken, which is not there" >&2; exit 1; fi
echo "$count planted changes judged rightly"
