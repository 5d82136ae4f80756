# SPDX-License-Identifier: BSD-2-Clause
# What berth tells of itself: help, man page, completion and wrong verbs. Needs no privilege.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup() { tmp=$BATS_TEST_TMPDIR; }

@test "help, version, and help of each verb" {
  "$berth" help >"$tmp/o"
  for verb in run status services lint audit sim doctor help man completion; do
    grep -qE "^  $verb " "$tmp/o"
    "$berth" help "$verb" | grep -q "^Usage: berth $verb"
    "$berth" "$verb" --help | cmp - <("$berth" help "$verb")
  done
  "$berth" help ports free | grep -q "^Usage: berth ports free"
  "$berth" ports free --help | cmp - <("$berth" help ports free)
  "$berth" man | grep -q "^.Ss berth ports free"
  "$berth" --version | grep -qxE 'berth [0-9]+\.[0-9]+\.[0-9]+'
  for option in pool ports policy reuse-after when-exhausted via stats; do
    "$berth" help run | grep -q -- "--$option"
  done
}

@test "what cannot be written is no success, whatever the verb" {
  [ -c /dev/full ] || skip "no /dev/full"
  for words in help --version man "help lint" "lint --help" "lint --places" "lint --explain all" "sim --list" \
    "sim --hosts 1 --connections 100" "services 80" "doctor" "doctor --json"; do
    status=0
    # shellcheck disable=SC2086 # words
    "$berth" $words >/dev/full 2>"$tmp/e" || status=$?
    equal "status of $words" "$status" 2
    equal "lines of $words" "$(wc -l <"$tmp/e")" 1
    grep -qE 'cannot write to standard output(: No space left on device)?$' "$tmp/e" || { cat "$tmp/e" && false; }
  done
}

@test "man passes mandoc" {
  command -v mandoc >/dev/null || skip "mandoc is not installed"
  "$berth" man >"$tmp/berth.1"
  mandoc -T lint -W warning "$tmp/berth.1"
  mandoc -T ascii "$tmp/berth.1" | col -b >"$tmp/o"
  for option in pool ports policy reuse-after when-exhausted via stats json; do
    grep -q -- "--$option" "$tmp/o"
  done
}

@test "man tells of each variable that is read" {
  "$berth" man >"$tmp/berth.1"
  grep -rhoE 'getenv\("[A-Z_]+"' "$BATS_TEST_DIRNAME/../../src" | cut -d '"' -f 2 | sort -u >"$tmp/read"
  grep -qx BERTH_BPF_LOG "$tmp/read"
  while read -r name; do
    grep -qx ".It Ev $name" "$tmp/berth.1" || { echo "not in the manual: $name" && false; }
  done <"$tmp/read"
}

@test "completion: the scripts parse, and bash completes" {
  "$berth" completion bash >"$tmp/bash"
  bash -n "$tmp/bash"
  for shell in zsh fish; do
    "$berth" completion $shell >"$tmp/$shell"
    [ -s "$tmp/$shell" ]
    if command -v $shell >/dev/null; then
      $shell -n "$tmp/$shell"
    fi
  done
  cat >"$tmp/complete.sh" <<END
. "$tmp/bash"
complete_words()
{
  local f

  COMP_WORDS=("\$@") COMP_CWORD=\$((\$# - 1)) COMP_LINE="\$*" COMP_POINT=\${#COMP_LINE} COMPREPLY=()
  f=\$(complete -p berth | sed -nE 's/.*-F ([^ ]+).*/\1/p')
  "\$f" berth "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
  echo "\${COMPREPLY[*]}"
}
complete_words berth st
complete_words berth run --pol
complete_words berth run --policy seq
complete_words berth ports fr
complete_words berth ports free --dry
complete_words berth ports --json --dry
END
  bash "$tmp/complete.sh" >"$tmp/o"
  equal completions "$(sed 's/ *$//' "$tmp/o" | tr '\n' ',')" "status,--policy,sequential,free,--dry-run,,"
}

@test "verbs: unknown, none, too many operands" {
  run -2 "$berth" rnu
  [[ $output == *'no verb "rnu"'* ]]
  run -2 "$berth"
  [[ $output == *run* ]]
  run -2 "$berth" status extra
  run -2 "$berth" status --jsno
  run -2 "$berth" help rnu
  run -2 "$berth" completion
  run -2 "$berth" completion tcsh
}

# library_row [VARIABLE=VALUE]: what berth doctor says of the preload library
library_row()
{
  env "$@" "$berth" doctor --json >"$tmp/doctor.json" || true
  jq -ce '.rows[] | select(.name == "preload library")' "$tmp/doctor.json"
}

@test "doctor: the preload library, found, not there, and refused by the loader" {
  [[ $tmp != *[\ :]* ]] || skip "the loader preloads nothing with a space or colon in its path: $tmp"
  library_row >"$tmp/row"
  jq -e '.verdict == "ok" and .cost == null and .remedy == null' "$tmp/row"
  path=$(jq -r .value "$tmp/row")
  [ -r "$path" ]
  library_row "BERTH_PRELOAD_LIB=$tmp/none" >"$tmp/row"
  jq -e '.verdict == "missing" and (.value | test("none: not readable")) and (.remedy | test("^unset"))' "$tmp/row"
  jq -e '.verdict == "missing"' "$tmp/doctor.json"
  head -c 4096 "$path" >"$tmp/short.so"
  library_row "BERTH_PRELOAD_LIB=$tmp/short.so" >"$tmp/row"
  jq -e '.verdict == "missing" and (.value | test("short.so: the loader refuses it \\(.+\\)"))' "$tmp/row"
  sed 's/libc\.so\.6/libq.so.6/' "$path" >"$tmp/other.so"
  library_row "BERTH_PRELOAD_LIB=$tmp/other.so" >"$tmp/row"
  jq -e '.verdict == "missing" and (.value | test("refuses it \\(libq.so.6: "))' "$tmp/row"
}

@test "ports: filters that are refused before a socket is read" {
  for word in '' 0 65536 1-70000 90-80 colour=red state=open port=http to= to=10.0.0.0/ 'to=10.0.0.0/ 8' to=10.0.0.0/33 \
    to=10.0.0.1]:80 'to=[::1:80' to=10.0.0.1:0; do
    status=0
    "$berth" ports "$word" >"$tmp/o" 2>"$tmp/e" || status=$?
    equal "status of '$word'" $status 2
    grep -qF "berth ports: \"${word#to=}\"" "$tmp/e"
    [ ! -s "$tmp/o" ]
  done
}
