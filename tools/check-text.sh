#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks what is written: spelling, SPDX lines, white space, and that no text names one machine or its paths.
set -u

cd "$(dirname "$0")/.." || exit 2
. tools/sources.sh
bad=0

# Shows what stdin has, under a heading; remembers that something was found.
report()
{
  local found

  found=$(cat)
  [ -n "$found" ] || return 0
  printf '%s:\n%s\n' "$1" "$found"
  bad=1
}

mapfile -t files < <(tree_files | grep -vE '\.(png|svg|json|ico|woff2?)$')
[ ${#files[@]} -gt 0 ] || {
  echo "no file found at all"
  exit 1
}

# Sources say their licence within the first three lines.
report "no SPDX line" < <(
  printf '%s\n' "${files[@]}" |
    grep -E '\.(c|h|sh|bash|bats|py)$|(^|/)(meson\.build|meson_options\.txt|Makefile)$|^\.ci/run$' |
    while IFS= read -r file; do
      head -n 3 "$file" | grep -qE 'SPDX-License-Identifier: BSD-2-Clause( OR GPL-2\.0-only)?( |$)' ||
        echo "$file"
    done
)
# Kernel programs and the headers that they share carry both licences.
report "no dual licence" < <(
  printf '%s\n' "${files[@]}" | grep -E '^(bpf|abi)/.*\.[ch]$' |
    xargs -r grep -LE 'SPDX-License-Identifier: BSD-2-Clause OR GPL-2\.0-only'
)
# The licence of each library is said; pkg-config has ncursesw for ncurses, yaml-0.1 for libyaml.
report "LICENSES.md or README.md does not name the library" < <(
  grep -rhoE "dependency\('[a-z]+" src --include=meson.build | cut -d "'" -f 2 | sort -u | grep -vx threads |
    while IFS= read -r library; do
      for page in LICENSES.md README.md; do
        sed '0,/icences$/d' "$page" | grep -qE "\b(lib)?${library%w}\b" || echo "$page: $library"
      done
    done
)
report "white space at the end of a line" < <(grep -nHE '[[:blank:]]+$' -- "${files[@]}")
report "CR at the end of a line" < <(grep -nH $'\r$' -- "${files[@]}")
report "no newline at the end" < <(
  for file in "${files[@]}"; do
    [ -z "$(tail -c 1 "$file")" ] || echo "$file"
  done
)
# Directories of one machine and hosts of package registries. The brackets keep this line from matching itself.
report "names one machine or a registry" < <(
  grep -nHE '/(wor[k]|hom[e]|User[s])/|registry\.npmj[s]|pypi\.or[g]|pythonhoste[d]|crates\.i[o]|deb\.d[e]bian|proxy\.golan[g]|artifactor[y]' \
    -- "${files[@]}"
)
if command -v codespell >/dev/null; then
  report "spelling" < <(codespell --quiet-level=34 -- "${files[@]}" 2>&1)
else
  echo "codespell is not installed: spelling was not checked"
fi
exit $bad
