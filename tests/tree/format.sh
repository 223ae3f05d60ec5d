#!/usr/bin/env bash
# All C files stand as .clang-format says; skipped where clang-format 14 is missing.  usage: format.sh SOURCE_ROOT
set -eu
cd "$1"
tool=$(command -v clang-format-14 || command -v clang-format || true)
[ -n "$tool" ] && "$tool" --version | grep -q 'version 14' || { echo "clang-format 14 is not installed: skipped"; exit 77; }
find src include tests -name '*.[ch]' -print0 | xargs -0 "$tool" --dry-run --Werror
