#!/usr/bin/env bash
# The manual page says what --help says, and man finds nothing to complain of.
. "$(dirname "$0")/lib.sh"
expect_exit 0 "^\.TH LOCKSTEP 1 [0-9]{4}-[0-9]{2}-[0-9]{2} .lockstep " env PATH= "$LOCKSTEP" info man
mv out lockstep.1
same "complaints" "" "$(cat err)"
if command -v mandoc >/dev/null; then same "mandoc -Tlint" "" "$(mandoc -Tlint lockstep.1 2>&1)"; fi
if ! command -v man >/dev/null || ! LC_ALL=C MANWIDTH=1000 man --warnings -l lockstep.1 >page 2>complaints; then
    echo "man is not installed: only the commands are looked for"
    sed 's/\\f[BIR]//g; s/\\-/-/g; s/\\(aq/'\''/g; s/\\://g; s/^\.SS "\(.*\)"/   \1/' lockstep.1 >page
else
    same "man --warnings" "" "$(cat complaints)"
    same "man --warnings, 80 columns" "" "$(MANWIDTH=80 man --warnings -l lockstep.1 2>&1 >/dev/null)"
    sed 's/.\x08//g; s/\x1b\[[0-9;]*m//g' page | tr -s ' ' >plain && mv plain page
fi

# part FROM TO: the lines of the page between two headings
part() { sed -n "/^ *$1/,/^ *$2/p" page; }

"$LOCKSTEP" --help >help
sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' help >commands
check "there are ten commands" [ "$(wc -l <commands)" -ge 10 ]
for heading in NAME SYNOPSIS DESCRIPTION COMMANDS 'EXIT STATUS' ENVIRONMENT FILES EXAMPLES 'SEE ALSO'; do
    check "heading $heading" grep -Eq "^(\.SH \"?)?$heading\"?$" page
done
while read -r command; do
    "$LOCKSTEP" "$command" --help >help_of
    part "lockstep $command " '\(lockstep [a-z]* \|KEYS OF\)' >section
    usage=$(sed -n 's/^usage: //p' help_of)
    check "usage of $command" grep -qF -- "$usage" page
    check "example of $command" grep -qF -- "$(sed -n 's/^example: //p' help_of)" page
    while read -r flag; do
        check "$command: $flag" grep -Eq -- "^ *$flag( |$)" section
    done < <(sed -n 's/^  \(--[a-z-]*\).*/\1/p' help_of)
done <commands
while read -r code meaning; do
    check "exit code $code" grep -A1 -E "^ *$code( |$)" page
    check "meaning of $code" grep -qF -- "$meaning" page
done < <(sed -n '/^exit codes:/,$p' help | sed 1d) >/dev/null
for topic in keys study; do
    "$LOCKSTEP" info $topic | sed -n 's/^\([a-z][a-z0-9_.]*\)  .*/\1/p' >keys
    check "there are keys of $topic" [ "$(wc -l <keys)" -gt 20 ]
    while read -r key; do check "key $key" grep -qF -- "$key" page; done <keys
done
finish
