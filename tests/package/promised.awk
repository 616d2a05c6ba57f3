# promised.awk: the names that public headers mark HONE_API, one a line. Comments and macro definitions are no promises;
# a declaration runs from HONE_API to the first opening bracket (a function) or semicolon (a variable).
/^[ \t]*#/ { while (/\\$/) if ((getline) <= 0) exit; next }
{
    text = text " " $0
}
END {
    while (match(text, /\/\*/)) {
        rest = substr(text, RSTART + 2)
        close_at = index(rest, "*/")
        text = substr(text, 1, RSTART - 1) " " substr(rest, close_at + 2)
    }
    gsub(/__attribute__ *\(\([^)]*\)+/, "", text)
    gsub(/HONE_[A-Z_]+\([^)]*\)/, "", text)                     # attributes with arguments, such as HONE_PRINTF(1, 2)
    count = split(text, part, /HONE_API/)
    for (i = 2; i <= count; i++) {
        declaration = part[i]
        sub(/[(;].*/, "", declaration)
        if (match(declaration, /hone_[a-z0-9_]+ *$/)) {
            name = substr(declaration, RSTART, RLENGTH)
            gsub(/ /, "", name)
            print name
        }
    }
}
