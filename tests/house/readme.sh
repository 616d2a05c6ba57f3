#!/bin/sh
# readme.sh: the first C program in README.md is examples/first.c, letter for letter; that one is built five ways.
set -eu
cd "$SOURCE"
awk '/^```c$/ { inside = 1; next } /^```/ { if (inside) exit } inside' README.md > "$STAGE/readme.c"
sed '1{/^\/\*/d}' examples/first.c > "$STAGE/first.c"
[ -s "$STAGE/readme.c" ] || { echo "README.md shows no C program" >&2; exit 1; }
if ! diff "$STAGE/readme.c" "$STAGE/first.c"; then
    echo "< README.md, > examples/first.c: they must be the same" >&2
    exit 1
fi
