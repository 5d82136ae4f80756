# SPDX-License-Identifier: BSD-2-Clause
# The simulator's verb: scenarios, forms of output, repeatability. Needs no privilege.
# shellcheck shell=bash disable=SC2154
bats_require_minimum_version 1.5.0
load lib

setup() { tmp=$BATS_TEST_TMPDIR; }

sim() { "$berth" sim "$@"; }

@test "each scenario plays, small" {
  for scenario in plain allman rfc6056 reuse crowded time-wait fleet; do
    sim --scenario "$scenario" --hosts 2 --connections 20000 --destinations 2 --json >"$tmp/o"
    jq -e -s --arg s "$scenario" 'length > 0 and all(.scenario == $s and .tried > 0 and .tries >= 1 and
      .refused <= .tried and .occupancy <= .occupancy_max and .occupancy_max <= 1)' "$tmp/o" >/dev/null
  done
}

@test "the same seed gives the same figures, on any number of threads; another seed others" {
  for threads in 1 2 5; do
    sim --connections 50000 --threads "$threads" --seed 7 --csv >"$tmp/$threads"
  done
  cmp "$tmp/1" "$tmp/2"
  cmp "$tmp/1" "$tmp/5"
  sim --connections 50000 --seed 8 --csv >"$tmp/other"
  run ! cmp -s "$tmp/1" "$tmp/other"
}

@test "every policy plays, and those of a system in its range" {
  sim --policy all --connections 5000 --json >"$tmp/o"
  equal policies "$(wc -l <"$tmp/o")" "$(sim --list --json | jq -s '[.[] | select(.policy)] | length')"
  equal linux "$(jq -r 'select(.policy == "linux").range' "$tmp/o")" 32768-60999
  equal openbsd "$(jq -r 'select(.policy == "openbsd").range' "$tmp/o")" 1024-49151
  equal uniform "$(jq -r 'select(.policy == "uniform").range' "$tmp/o")" 1024-65535
}

@test "reserved ports are left out, and a pool that is too small refuses" {
  sim --policy random,linux,uniform --ports 2000-2009 --reserved 2003-2008 --rate 100 --life 1 --life-kind fixed \
    --close-client 0 --destinations 1 --connections 5000 --json >"$tmp/o"
  jq -e -s 'all(.ports == 4 and .refused > 3000)' "$tmp/o" >/dev/null
  run -2 sim --ports 2000 --reserved 2000
  [[ $output == *"no port is left"* ]]
}

@test "tracking knows Linux 5.12 again, and not what came after" {
  sim --scenario track --hosts 40 --json >"$tmp/o"
  jq -e -s 'map({(.policy): .known_again}) | add | ."linux-5.12" > 0.9 and .linux < 0.15 and .uniform < 0.15' \
    "$tmp/o" >/dev/null
}

@test "the distribution adds up to what was used again" {
  sim --scenario reuse --policy uniform --connections 200000 --hosts 1 --json --distribution >"$tmp/o"
  jq -e '(.reuse | map(.[1]) | add) as $n | $n > 100000 and $n < .tried and .reuse[0][0] >= .reuse_min and
    $n + (.fresh | map(.[1]) | add) == .tried' "$tmp/o" >/dev/null
}

@test "a plot is drawn, CSV has a line of names" {
  sim --scenario reuse --connections 100000 --plot "$tmp/p.svg" --csv >"$tmp/o"
  grep -q '^policy,first,last,ports,tried,' "$tmp/o"
  equal columns "$(awk -F, '{ print NF }' "$tmp/o" | sort -u)" 19
  # What is not known is empty, as it is null in JSON; of one host nothing is guessed.
  sim --policy sequential --hosts 1 --destinations 1 --connections 2000 --csv | tail -n 1 | grep -q ',,,,,,$'
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$tmp/p.svg"
  equal curves "$(grep -c '<polyline' "$tmp/p.svg")" 5
  sim --scenario reuse --policy sequential,uniform --connections 30000 --hosts 2 --plot "$tmp/n.svg" >/dev/null
  grep -q '>sequential: no pair twice<' "$tmp/n.svg"
  grep -q '>uniform<' "$tmp/n.svg"
  sim --scenario track --hosts 10 --plot "$tmp/t.svg" >/dev/null
  python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$tmp/t.svg"
}

@test "what makes no sense is refused in one line" {
  for words in '--scenario nosuch' '--policy uniform,nosuch' '--rate 0' '--hosts x' '--close-client 0.9 --close-server 0.9' \
    '--destinations 65535' '--ports 5-3' '--hosts 1.5' '--distribution' '--scenario track --life 3' '--scenario track --connections 9' \
    '--scenario track --json --distribution' '--plot /nosuch/x --connections 10' 'word'; do
    # shellcheck disable=SC2086 # several words
    run -2 --separate-stderr sim $words
    # shellcheck disable=SC2154 # bats sets it
    equal "$words" "$(wc -l <<<"$stderr")" 1
    [[ $stderr == "berth sim: "* ]]
  done
}
