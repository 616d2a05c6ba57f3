#!/bin/sh
# includes.sh: no floor includes one above it. The table is docs/style.md's, and stands in includes.awk.
set -eu
cd "$SOURCE"
files=$(find include base backends kernels runtime tuner trainer -type f 2>/dev/null | sort |
    grep -E '[.]([ch]|inl|def|cu|cuh|cl)$')
awk -f tests/house/includes.awk $files

# The test of the test: each planted include is refused, each sound one taken.
plant=$STAGE/plant
count=0
try() {   # try <refused|taken> <path> <include>
    rm -rf "$plant"; mkdir -p "$plant/$(dirname "$2")"
    printf '/* planted */\n#include %s\n' "$3" > "$plant/$2"
    got=refused
    if (cd "$plant" && awk -f "$SOURCE/tests/house/includes.awk" "$2") > "$STAGE/plant.log" 2>&1; then got=taken; fi
    if [ "$got" != "$1" ]; then
        echo "planted in $2: #include $3 was $got, must be $1" >&2
        cat "$STAGE/plant.log" >&2
        exit 1
    fi
    count=$((count + 1))
}
try refused include/hone/a.h        '"base/size.h"'
try refused include/hone/a.h        '<sys/types.h>'
try taken   include/hone/a.h        '<stdint.h>'
try taken   include/hone/a.h        '<hone/status.h>'
try refused base/a.c                '"backends/backend.h"'
try refused base/a.c                '"runtime/runtime.h"'
try refused base/a.c                '<hwloc.h>'
try taken   base/a.c                '<jansson.h>'
try taken   base/a.c                '<sys/stat.h>'
try refused backends/cpu/a.c        '"kernels/op.h"'
try refused backends/cpu/a.c        '"backends/cuda/cuda.h"'
try refused backends/cpu/a.c        '<cuda.h>'
try taken   backends/cpu/a.c        '"backends/backend.h"'
try taken   backends/cpu/a.c        '"backends/cpu/cpu.h"'
try taken   backends/cpu/a.c        '<hwloc.h>'
try refused kernels/matmul/a.c      '"runtime/runtime.h"'
try refused kernels/matmul/a.c      '"tuner/judge.h"'
try refused kernels/matmul/a.c      '"backends/cuda/cuda.h"'
try taken   kernels/matmul/cuda_a.c '"backends/cuda/cuda.h"'
try taken   kernels/matmul/a.c      '"backends/cpu/cpu.h"'
try taken   kernels/matmul/a.c      '"kernels/common/epilogue.h"'
try refused runtime/a.c             '"tuner/judge.h"'
try refused runtime/ops/a.c         '"cli/cli.h"'
try refused runtime/a.c             '<hwloc.h>'
try refused runtime/a.c             '<CL/cl.h>'
try taken   runtime/a.c             '"kernels/kernel.h"'
try refused tuner/a.c               '"cli/cli.h"'
try refused tuner/a.c               '"tests/mock/mock.h"'
try taken   tuner/a.c               '"runtime/runtime.h"'
try refused trainer/a.c             '"runtime/runtime.h"'
try refused trainer/nn/a.c          '"kernels/op.h"'
try taken   trainer/a.c             '"base/size.h"'
try refused runtime/a.c             '"runtime.h"'
try refused runtime/a.c             '"../kernels/op.h"'
try refused runtime/a.c             'TABLE_FILE'
echo "$count planted includes judged rightly"
