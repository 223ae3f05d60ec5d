#!/usr/bin/env bash
# --help of every command: how it is used, an example whose flags the command knows, and its flags.
. "$(dirname "$0")/lib.sh"
commands=$(run_np 0 --help | sed -n '/^usage/,/--help/s/^  \([a-z]*\) .*/\1/p')
check "the commands: $commands" test "$(echo "$commands" | wc -l)" -ge 10
for command in $commands; do
    expect_exit 0 "^usage: lockstep $command" run_np 0 "$command" --help
    example=$(sed -n 's/^example: //p' out)
    same "$command --help has one example" "$(echo "$example" | wc -l)" 1
    check "the example is of the command: $example" grep -Eq "(^|mpirun -np [0-9]+ )lockstep $command( |$)" <<<"$example"
    arguments=${example#*lockstep }
    eval "set -- $arguments"
    expect_exit 0 "^usage: lockstep $command" run_np 0 "$@" --help
    for file in "$@"; do
        case $file in configs/*) check "$file is there" test -f "$LS_SOURCE/$file" ;; esac
    done
    shift
    expect_exit 2 'unknown flag --no-such-flag.*--help' run_np 0 "$command" "$@" --no-such-flag
done

# On several ranks one of them answers.
for question in --help --version "train --help"; do
    expect_exit 0 '' run_np 3 $question
    same "$question is answered once" "$(grep -cE '^(usage: |lockstep [0-9])' out)" 1
done

# Examples that need nothing but the sources do what they say.
cd "$LS_SOURCE" || exit 1
for command in plan info; do
    eval "set -- $(run_np 0 $command --help | sed -n 's/^example: .*lockstep //p')"
    [ "$command" = plan ] && [ ! -d /usr/share/datasets/fashion-mnist ] && continue
    expect_exit 0 '' run_np 0 "$@" ${LS_DATA:+--data-dir "$LS_DATA"}
done
cd "$work" || exit 1
finish
