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
  for verb in grant lint; do
    grep -A 99 "^.'$verb')" "$tmp/zsh" | grep -m 1 "'\*:operand" | grep -q ':_files'
    grep -qxF "complete -c berth -n '__berth_in $verb' -F" "$tmp/fish"
  done
  grep -qF "'*:operand:(bash zsh fish)'" "$tmp/zsh"
  grep -qxF "complete -c berth -n '__berth_in completion' -a 'bash zsh fish'" "$tmp/fish"
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
complete_words berth help expl
complete_words berth completion fi
END
  bash "$tmp/complete.sh" >"$tmp/o"
  equal completions "$(sed 's/ *$//' "$tmp/o" | tr '\n' ',')" "status,--policy,sequential,free,--dry-run,,explain,fish,"
}

# keys ARG...: names of members that berth ARG... prints as JSON
keys() { "$berth" "$@" 2>"$tmp/e" | jq -r '.. | objects | keys[]' | sort -u; }

@test "help names each member of --json" {
  command -v jq >/dev/null || skip "jq is not installed"
  "$berth" doctor --json >"$tmp/o" || [ $? = 1 ]
  for words in "doctor" "explain 80" "explain EADDRINUSE" "services 80" "services --schemes https" "services --systems" \
    "sim --hosts 1 --connections 100 --distribution" "sim --scenario track --hosts 2" "sim --list" \
    "audit --samples 10" "headroom" "lint --explain all" "lint --places"; do
    verb=${words%% *}
    "$berth" help "$verb" | tr -s ' \n' ' ' >"$tmp/help"
    # shellcheck disable=SC2086 # words
    keys $words --json >"$tmp/keys"
    [ -s "$tmp/keys" ]
    while read -r key; do
      grep -qw -- "$key" "$tmp/help" || { echo "berth $words --json: help does not name $key" && false; }
    done <"$tmp/keys"
  done
}

@test "help stands wherever an option can" {
  for words in "ports 443 --help" "ports -h" "ports --json -h" "run --via bpf --help" "run --help -- env" "hold 80 --help"; do
    # shellcheck disable=SC2086 # words
    "$berth" $words | cmp - <("$berth" help "${words%% *}")
  done
  equal "a program's own option" "$("$berth" hold --help -- true | head -n 1)" \
    'Usage: berth hold [OPTION...] ENDPOINT... [-- PROGRAM [ARG...]]'
  run -2 "$berth" ports --columns --help
  equal "one that is no value" "$output" \
    "berth ports: --columns: FIELD,... is missing before '--help'; write --columns=--help if it is meant"
}

@test "slips: what was meant is said, or what shows all" {
  while IFS='|' read -r status words said; do
    # shellcheck disable=SC2086 # words
    run -"$status" "$berth" $words
    equal "$words" "$output" "berth$said"
  done <<'END'
2|prots|: there is no verb "prots"; did you mean ports?
2|rnu|: there is no verb "rnu"; did you mean run?
2|xyz|: there is no verb "xyz"; see "berth help"
2|help explian| help: there is no verb "explian"; did you mean explain?
2|help ports fre| help: there is no verb "fre"; see "berth help"
2|man run| man: "run": one page has all verbs; leave it out
2|completion bsh| completion: "bsh": name one shell: bash, zsh or fish
2|ports usr=root| ports: "usr=root": there is no field "usr"; did you mean user?
2|ports --columns prograq| ports: --columns: there is no field "prograq"; did you mean program?
2|ports --columns=| ports: --columns: there is no field ""; "berth ports --schema" lists them
2|ports --count-by zebra| ports: --count-by: there is no field "zebra"; "berth ports --schema" lists them
2|ports pid=x| ports: "pid=x": pid is a number
2|ports ephemeral=maybe| ports: "ephemeral=maybe": ephemeral is yes or no
1|ports listning 1| ports: no socket of a program or service "listning"; did you mean listening?
1|ports efemeral 1| ports: no socket of a program or service "efemeral"; did you mean ephemeral?
2|sim --scenario trak| sim: --scenario: there is no scenario "trak"; did you mean track?
2|sim --policy unform| sim: there is no policy "unform"; did you mean uniform?
2|sim --hosts 0| sim: --hosts: "0": a number from 1 to 1e+07 is wanted
2|audit --samples 1| audit: --samples: "1": a number from 2 to 4096 is wanted
2|lint --explain xyz| lint: --explain: there is no rule "xyz"; "all" shows all of them
2|explain EADRINUSE| explain: "EADRINUSE": neither a port, nor an address with one, nor a service, nor an errno; is it "EADDRINUSE"?
END
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
