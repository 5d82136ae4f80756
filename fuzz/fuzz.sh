#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Builds the fuzz targets into $BUILD and runs each one: fuzz.sh [SECONDS [TARGET...]]. Status 1 where one finds something.
# The formats of berth lint are one program under several names.
set -eu
seconds=${1:-30}
[ $# -eq 0 ] || shift
build=${BUILD:-build-fuzz}
root=$(cd "$(dirname "$0")/.." && pwd)
cc=${FUZZ_CC:-clang-14}
mkdir -p "$build"
build=$(cd "$build" && pwd)
status=0
if [ $# -eq 0 ]; then
  set -- range opt lane csv services what destination frame grantrule packet filter space blocks audit pcapng
  for corpus in "$root"/fuzz/corpus/lint_*; do
    set -- "$@" "${corpus##*/}"
  done
fi
for target; do
  name=${target%%_*}
  # A lane is compared with its twin after each operation of two bytes: short inputs, more of them.
  case $target in lane) len=1024 ;; *) len=4096 ;; esac
  more=
  case $name in
  what) more='src/cli/what.c src/registry/schemes.c' ;;
  lint) more='src/lint/*.c -lyaml -lexpat' ;;
  destination) more='src/cli/destination.c fuzz/names.c' ;;
  filter) more='src/cli/ports_filter.c src/cli/destination.c fuzz/names.c src/cli/ports_field.c src/kernel/sockets.c' ;;
  audit) more='src/sim/streams.c src/sim/flows.c src/sim/judge.c src/core/habits.c -lm' ;;
  pcapng) more='src/kernel/pcapng.c' ;;
  blocks) more='src/core/blocks.c src/core/draw.c src/core/wheel.c' ;;
  space) more='src/core/space*.c src/core/draw.c src/core/habits.c src/core/match.c src/core/wheel.c src/core/sock.c' ;;
  esac
  mkdir -p "$build/corpus/$target" "$build/findings"
  if [ "${built:-}" != "$name" ]; then
    # shellcheck disable=SC2086 # a list of files, a glob
    (cd "$root" && "$cc" -std=gnu17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
      -fno-sanitize-recover=all -I. "fuzz/fuzz_$name.c" src/core/range.c src/core/prefix.c src/core/grantrule.c \
      src/core/packet.c \
      src/base/opt.c src/base/opt_shell.c src/base/near.c src/base/text.c src/base/why.c src/registry/builder.c src/registry/csv.c src/registry/layer.c \
      src/registry/parse.c src/sim/frame.c $more -o "$build/fuzz_$name")
    built=$name
  fi
  [ "$name" = "$target" ] || ln -sf "fuzz_$name" "$build/fuzz_$target"
  echo "$target: $seconds s"
  if ! "$build/fuzz_$target" -max_total_time="$seconds" -timeout=10 -max_len="$len" -verbosity=0 \
    -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
    "$build/corpus/$target" "$root/fuzz/corpus/$target" 2>"$build/$target.log"; then
    tail -n 40 "$build/$target.log"
    echo "$target: found something; the input is in $build/findings"
    status=1
  fi
  grep -E 'number_of_executed_units|average_exec_per_sec' "$build/$target.log" || true
done
exit $status
