#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Breaks one rule after the other in a copy of src/core and looks whether the differential test notices.
# By hand: tests/oracle/sabotage.sh (two minutes). Exit status: 0 each was noticed.
set -u

cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# file of src/core | what is replaced, everywhere in it | by what
mutants='
match.c | other->state != BERTH_SOCK_LISTEN) | true)
match.c | (other->state == BERTH_SOCK_TIME_WAIT || sk->uid == other->uid) | (sk->uid == other->uid)
match.c | if (other->v6only && mapped) | if (0)
match.c | return !a->device || !b->device | return true || !b->device
match.c | 0x7f000006 | 0x7f000009
match.c | return !b->v6only && | return
match.c | (!other->device || other->device == wanted->device) | (other->device == wanted->device)
match.c | return mapped; | return true;
match.c | return !(sk->reuse && other->reuse) | return true
rules.c | b->reuseport <= 0 | true
rules.c | b->fast_uid != sk->uid | false
rules.c | neighbours(j) > 10 | neighbours(j) > 1000
rules.c | b->reuse < 0 && b->reuseport < 0 | b->reuse < 0
rules.c | return bound || (reuse | return (reuse
rules.c | if (!tw->stamped) | if (0)
rules.c | req->port < j->host->unprivileged | req->port <= j->host->unprivileged
rules.c | berth_ip_is_link_local6(ip) || (ip->byte[0] == 0xff | (ip->byte[0] == 0xff
rules.c | if (is_reserved(j, port)) | if (0)
rules.c | s->device && s->device != j->req->arrives | false
rules.c | mapped ? s->v6only : s->family | s->family
population.c | = behind ? -sp->clock : sp->clock | = sp->clock
population.c | b->reuse = b->reuseport = -1; | ;
population.c | b->reuseport = 2; | b->reuseport = 1;
'
missed=0
while IFS= read -r line; do
  [ -n "$line" ] || continue
  file=${line%% | *} rest=${line#* | }
  from=${rest%% | *} to=${rest#* | }
  rm -rf "$work/src"
  mkdir "$work/src"
  cp -r src/core "$work/src/"
  FROM=$from TO=$to perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/g' "$work/src/core/$file"
  if cmp -s "src/core/$file" "$work/src/core/$file"; then
    echo "stale: $file: $from"
    missed=1
    continue
  fi
  cc -std=gnu17 -D_GNU_SOURCE -O1 -w -I"$work" -I. -o "$work/oracle" tests/oracle/*.c \
    "$work"/src/core/{rules,rule_names,population,match,sock,range}.c || exit 2
  if "$work/oracle" --cases 100000 >"$work/out"; then
    echo "MISSED: $file: $from"
    missed=1
  else
    echo "noticed: $file: $from: $(grep -oE '^[0-9]+ cases' "$work/out")"
  fi
done <<<"$mutants"
exit $missed
