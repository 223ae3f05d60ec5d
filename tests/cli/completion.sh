#!/usr/bin/env bash
# Command lines are completed in bash, as `lockstep --help` has the commands and flags.
. "$(dirname "$0")/lib.sh"
expect_exit 0 "^complete -F _lockstep lockstep$" env PATH= "$LOCKSTEP" info completion
mv out completion
. ./completion
mkdir -p place/deep
touch place/a.yaml 'place/b c.yaml'
compopt() { echo "$*" >"$work/options"; } # there is no readline to hear it

# offers WORD...: what is offered for the last word, one a line; readline makes --flag=x three words
offers() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _lockstep
    printf '%s\n' "${COMPREPLY[@]}" | sed 's/ $//'
}

"$LOCKSTEP" --help | sed -n 's/^  \([a-z]\{1,\}\) .*/\1/p' >commands
same "commands" "$(cat commands; echo --help; echo --version)" "$(offers lockstep '')"
while read -r command; do
    same "flags of $command" "$("$LOCKSTEP" "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p')" \
        "$(offers lockstep "$command" --)"
done <commands
same "a command's beginning" "predict" "$(offers lockstep pr)"
same "a flag's beginning" "--micro-batch-size" "$(offers lockstep train c.yaml --mi)"
same "no command" "" "$(offers lockstep nonsense --)"

same "a configuration" "place/a.yaml|place/b c.yaml" "$(offers lockstep train place/ | grep -v deep | sort | paste -sd'|')"
same "of a file" "-o filenames" "$(offers lockstep train place/ >/dev/null; cat options)"
same "a directory" "place/deep" "$(offers lockstep train c.yaml --run-dir place/)"
same "a directory behind =" "place/deep" "$(offers lockstep train c.yaml --run-dir = place/)"
same "a word or a file" "auto" "$(offers lockstep train c.yaml --resume au)"
same "a word or a file" "place/a.yaml" "$(offers lockstep train c.yaml --resume place/a)"
same "a number" "" "$(offers lockstep train c.yaml --lr '')"
same "a key" "train.epochs=" "$(offers lockstep train c.yaml --set train.ep)"
same "a key has no space behind it" "-o nospace" "$(offers lockstep train c.yaml --set train.ep >/dev/null; cat options)"
same "a key behind =" "train.epochs=" "$(offers lockstep train c.yaml --set = train.ep)"
same "all keys" "$("$LOCKSTEP" info keys | sed -n 's/^\([a-z][a-z0-9_.]*\)  .*/\1=/p')" "$(offers lockstep bench c.yaml --set '')"
same "all keys of a study" "$("$LOCKSTEP" info study | sed -n 's/^\([a-z][a-z0-9_.]*\)  .*/\1=/p')" "$(offers lockstep study s.yaml --set '')"

# Every topic that is offered is one, and every topic is offered.
"$LOCKSTEP" info nonsense 2>message
mkdir empty && cd empty || exit 1
topics=$(offers lockstep info '')
same "topics" "$(sed 's/.*known: //; s/ CONFIG//; s/, /\n/g' ../message | sort)" "$(sort <<<"$topics")"
while read -r topic; do
    [ "$topic" = model ] || check "info $topic" "$LOCKSTEP" info "$topic" >/dev/null
done <<<"$topics"
finish
