#!/bin/sh
# headers.sh: every public header compiles alone, and twice in one file, as C11, C17 and C++17, without a warning.
set -eu
cd "$SOURCE"
strict='-Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only'
headers=$(cd include && find hone -name '*.h' | sort)
count=0
try() {   # try <what> <compiler and flags...> : every header through it
    what=$1; shift
    for header in $headers; do
        printf '#include <%s>\n#include <%s>\nextern int unit;\n' "$header" "$header" > "$STAGE/alone.c"
        "$@" $strict -I include "$STAGE/alone.c" || { echo "$header does not compile alone as $what" >&2; exit 1; }
        count=$((count + 1))
    done
}
try C11 "$CC" -std=c11 -Wstrict-prototypes
try C17 "$CC" -std=c17 -Wstrict-prototypes
if [ -n "$CXX" ] && command -v "$CXX" >/dev/null; then
    try C++17 "$CXX" -std=c++17 -x c++
    echo "$count times a header compiled alone, as C11, C17 and C++17"
else
    echo "skipped: no C++ compiler ($count times a header compiled alone as C)"
    exit 77
fi
