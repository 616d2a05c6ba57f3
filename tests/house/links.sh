#!/bin/sh
# links.sh: what one page of ours links to in the tree is there.
set -eu
cd "$SOURCE"
pages=$(find . -name '*.md' -not -path './build/*' -not -path './.git/*' | sort)
bad=0 count=0
for page in $pages; do
    for target in $(grep -o ']([^)]*)' "$page" | sed 's/^](//; s/)$//; s/#.*//; s/ .*//'); do
        case $target in *:*|'') continue ;; esac
        count=$((count + 1))
        [ -e "$(dirname "$page")/$target" ] || { echo "$page links to $target, which is not there"; bad=1; }
    done
done
[ $bad = 0 ] && echo "$count links lead somewhere"
