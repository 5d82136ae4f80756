#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks libberth as others meet it: exported names, headers in C and C++, pkg-config, shared and static.
set -eu

cd "$(dirname "$0")/.."
. tools/sources.sh
need cc
need pkg-config
find_library
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the headers promise is what is exported, each name with its version, and nothing else.
tr '\n' ' ' <<<"$(cat include/berth/*.h)" | grep -oE 'BERTH_API [^;(]*\(' | grep -oE 'berth_\w+\($' |
  tr -d '(' | sort >"$work/promised"
nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' | sort >"$work/exported"
sed 's/@@BERTH_[0-9.]*$//' "$work/exported" | diff "$work/promised" - || {
  echo "the headers' names (<) and the exported ones (>) differ"
  exit 1
}
if grep -v '@@BERTH_' "$work/exported"; then
  echo "these names have no version"
  exit 1
fi
# No allocation, no lock, no thread of its own.
if nm -D -u "$library" | awk '{ print $2 }' | sed 's/@.*//' |
  grep -vxE 'mem(cpy|move|set|cmp|chr)|__assert_fail|__stack_chk_fail|__cxa_finalize|__gmon_start__|_ITM_.*'; then
  echo "the library wants these from outside"
  exit 1
fi

# Each header stands alone.
for header in include/berth/*.h; do
  printf '#include "%s"\nextern int alone;\n' "$header" >"$work/alone.c"
  cc -std=c99 -pedantic -Wall -Wextra -Werror -I. -fsyntax-only "$work/alone.c"
  command -v c++ >/dev/null &&
    for std in c++11 c++20; do
      c++ -x c++ -std=$std -pedantic -Wall -Wextra -Werror -I. -fsyntax-only "$work/alone.c"
    done
done

# A program that knows pkg-config only.
cat >"$work/program.c" <<'EOF'
#include <berth/demux.h>
#include <berth/packet.h>
#include <stdlib.h>

static void *get(void *context, size_t size, size_t align)
{
	void *p;

	(void)context;
	return posix_memalign(&p, align, size) ? NULL : p;
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

int main(void)
{
	static const uint8_t packet[28] = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
		0, 53, 1, 0, 0, 8, 0, 0 };
	const struct berth_demux_memory memory = { get, put, NULL, NULL };
	const uint64_t key[2] = { 1, 2 };
	struct berth_demux_socket s;
	struct berth_packet p;
	struct berth_demux *d;
	uint64_t owner = 0;

	memset(&s, 0, sizeof(s));
	s.at.protocol = BERTH_UDP;
	s.at.local_port = 256;
	s.owner = 42;
	if (berth_demux_new(&memory, key, &d) || berth_demux_add(d, &s) ||
	    berth_packet_parse(packet, sizeof(packet), &p) != BERTH_PACKET_GOOD ||
	    berth_demux_find(d, &p.flow, &owner) != BERTH_DEMUX_ANY || owner != 42)
		return 1;
	berth_demux_free(d);
	return 0;
}
EOF
export PKG_CONFIG_PATH=$build/meson-uninstalled
flags=$(pkg-config --cflags berth)
libraries=$(pkg-config --libs berth)
# shellcheck disable=SC2086 # words
cc -Wall -Wextra -Werror $flags -Iinclude "$work/program.c" $libraries -o "$work/shared"
LD_LIBRARY_PATH=$build/src/lib "$work/shared"
# shellcheck disable=SC2086 # words
cc $flags -Iinclude "$work/program.c" "$build/src/lib/libberth.a" -o "$work/static"
"$work/static"
readelf -d "$work/shared" | grep -q 'NEEDED.*libberth\.so\.0' || {
  echo "the program does not name libberth.so.0"
  exit 1
}

# The manual of the headers: each declaration has a text of its own, and is shown as C.
for header in include/berth/*.h; do
  page=$build/src/lib/berth_$(basename "$header" .h).3
  sed -nE 's/^struct (\w+) \{$/\1/p; s/^(BERTH_API|static inline) .*\b(berth_\w+)\(.*/\2/p' "$header" |
    while read -r name; do
      grep -qE "^(struct $name \{|.*\b$name\(.*;)$" "$page" || echo "$page: nothing of $name"
    done
  sed -n '/^\.Ss/,$p' "$page" | awk -v page="$page" '
    /^\.Ed/ { code = 0 }
    code && (/^BERTH_API / || (/^(struct|enum) .*\{$/ && seen++)) { print page ": glued to another: " $0 }
    /^\.Bd/ { code = 1; seen = 0 }'
  awk -v page="$page" '/^- / && last != ".Pp" { print page ": an item that is no paragraph: " $0 } { last = $0 }' "$page"
done >"$work/manual"
if [ -s "$work/manual" ]; then
  cat "$work/manual"
  exit 1
fi
# The generator refuses a function whose text, or whose rule of threads, is missing.
for edit in '/^\/\* Bytes taken/d' '/^\/\* Bytes taken/s/ One at a time\.//' '/^BERTH_API uint32_t berth_space_zone/s/^/\n/'; do
  sed "$edit" include/berth/space.h >"$work/space.h"
  if python3 src/lib/manual.py "$work/space.h" >/dev/null 2>"$work/words"; then
    echo "the manual of a header is made after sed '$edit'"
    exit 1
  fi
  grep -qE 'space\.h: .* berth_space_(bytes|zone)\b' "$work/words" || {
    cat "$work/words"
    exit 1
  }
done
command -v mandoc >/dev/null && mandoc -T lint -W warning "$build"/src/lib/berth_*.3
exit 0
