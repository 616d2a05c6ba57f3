# text.awk: the look of a source file: at most 120 columns, no tab but in a Makefile, no trailing blank, no loose end,
# a door-plate.
function refuse(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why
    bad++
}

BEGIN { loose = "TO" "DO|FIX" "ME|XX" "X" }

FNR == 1 { files++; plate = 0 }
FNR == 1 && /^#!/ { next }
!plate { if ($0 !~ /^(\/\*|\/\/|#) ?[^ ]/) refuse("no door-plate: a file opens by saying what lives here"); plate = 1 }

/\t/ && FILENAME !~ /Makefile$/ { refuse("a tab") }
/ $/ { refuse("a blank at the end") }
$0 ~ "(^|[^A-Za-z_])(" loose ")([^A-Za-z_]|$)" { refuse("a loose end") }
/^[ \t]*#[ \t]*if[ \t]+0/ { refuse("switched-off code: history lives in git") }
length($0) > 120 {
    line = $0
    gsub(/[\200-\277]/, "", line)       # a letter of several bytes is one column
    if (length(line) > 120) refuse(length(line) " columns")
}

END {
    if (bad) exit 1
    printf "%d files look as they should\n", files
}
