# SPDX-License-Identifier: BSD-2-Clause
# Read by the check scripts: which files belong to the tree, what a check needs.
# shellcheck shell=bash

# Files of the tree, one each line: what git knows or would add; without git, all but what was built. Without
# the inputs of the fuzzers, which are bytes and not text.
tree_files()
{
  # The tree may be another user's: it is only listed here.
  git -c safe.directory='*' ls-files --cached --others --exclude-standard 2>/dev/null |
    while IFS= read -r file; do
      [ ! -f "$file" ] || printf '%s\n' "$file"
    done | grep -v '^fuzz/corpus/'
  [ "${PIPESTATUS[0]}" = 0 ] && return
  find . \( -name .git -o -name 'build*' -o -name out \) -prune -o -type f -print | sed 's|^\./||' |
    grep -v '^fuzz/corpus/'
}

# Skips the whole check where a program is absent.
need()
{
  command -v "$1" >/dev/null && return
  echo "$1 is not installed"
  exit 77
}

# Sets $build and $library, the shared libberth that was built there; skips the whole check where it is instrumented.
find_library()
{
  build=$(realpath -m "${BUILD:-build}")
  library=$build/src/lib/libberth.so
  [ -e "$library" ] || {
    echo "$library has not been built"
    exit 1
  }
  if nm "$library" | grep -qE '__(asan|tsan|ubsan|sanitizer|gcov)_'; then
    echo "the library is instrumented"
    exit 77
  fi
}
