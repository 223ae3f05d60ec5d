#!/usr/bin/env bash
# coverage.sh BUILD_DIRECTORY [LEAST]: lines of src that the tests run so far have executed, by file and in all, from gcov; 1 when
# fewer than LEAST percent.  The numbers of a fresh directory: cmake --preset coverage && cmake --build --preset coverage
# && ctest --preset coverage && tests/coverage.sh build/coverage.  Lines that only a killed process ran are not counted.
set -eu
build=$(realpath "$1")
least=${2:-0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
find "$build/CMakeFiles/lockstep_objects.dir" "$build/CMakeFiles/lockstep.dir" -name '*.gcno' -print0 |
  xargs -0 gcov --json-format --stdout 2>/dev/null >all.json || true # without the files of another build's objects
python3 - "$least" "${LS_UNCOVERED:-}" <<'END'
import collections, json, os, sys

counts = collections.defaultdict(dict)  # file: line: times
for text in open('all.json'):
    for file in json.loads(text)['files']:
        name = os.path.normpath(file['file'])
        if '/src/' not in name and not name.startswith('src/'):
            continue
        name = name[name.rindex('src/'):]
        for line in file['lines']:
            number = line['line_number']
            counts[name][number] = counts[name].get(number, 0) + line['count']

n_all = n_run = 0
for name in sorted(counts):
    lines = counts[name]
    run = sum(1 for n in lines.values() if n > 0)
    n_all, n_run = n_all + len(lines), n_run + run
    missing = [n for n in sorted(lines) if lines[n] == 0] if sys.argv[2] else []
    print('%6.1f %% %5d of %5d  %s%s' % (100 * run / len(lines), run, len(lines), name,
                                         '  ' + ' '.join(map(str, missing)) if missing else ''))
percent = 100 * n_run / max(n_all, 1)
print('%6.1f %% %5d of %5d  src' % (percent, n_run, n_all))
sys.exit(n_all == 0 or percent < float(sys.argv[1]))
END
