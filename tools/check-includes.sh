#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Checks who may include whom, as ARCHITECTURE.md has it; prints file:line of each violation.
set -eu

cd "${1:-$(dirname "$0")/..}"

# room | rooms that it may include besides itself
rooms='
include  |
examples | include
abi      | core
base     |
core     | include
registry | base core
lint     | base core registry
sim      | base core
kernel   | base core abi bpf registry
bpf      | abi core
preload  | core abi
cli      | base core abi kernel lint preload registry sim
'
# A file or group of files that may include more than its room.
exceptions='
src/preload/launch.* | base
'
# header of a library (a prefix) | rooms that may use it; every other room keeps to libc and the kernel
libraries='
bpf/              | bpf kernel
jansson.h         | kernel cli
libmnl/           | kernel
yaml.h            | lint
expat.h           | lint
curses.h          | cli
sys/capability.h  | kernel
pcap/             | kernel cli
usrsctp.h         | examples
'

find abi bpf examples include src -name '*.[ch]' -print | sort | xargs grep -nE '^[[:space:]]*#[[:space:]]*include' |
  awk -v rooms="$rooms" -v exceptions="$exceptions" -v libraries="$libraries" '
    function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
    # Reads lines "key | words" into table[key] = " words "; returns the keys in order.
    function read_table(text, table, keys,   lines, n, i, part, k) {
      n = split(text, lines, "\n")
      for (i = 1; i <= n; i++)
        if (split(lines[i], part, "|") == 2) {
          keys[++k] = trim(part[1])
          table[keys[k]] = " " trim(part[2]) " "
        }
      return k
    }
    # "src/a/../b/x.h" without the dots
    function normal(path,   part, n, i, out, m) {
      n = split(path, part, "/")
      for (i = 1; i <= n; i++)
        if (part[i] == "..") { if (m) m-- } else if (part[i] != "." && part[i] != "") out[++m] = part[i]
      path = out[1]
      for (i = 2; i <= m; i++) path = path "/" out[i]
      return path
    }
    function room_of(path,   part) {
      split(path, part, "/")
      return part[1] == "src" ? part[2] : part[1]
    }
    function exists(path,   line, r) {
      r = (getline line < path)
      close(path)
      return r >= 0
    }
    function directory(path) { sub(/\/[^\/]*$/, "", path); return path }
    # The file that "name" means in file: beside it, or below the root as -I of the build has it.
    function resolve(file, name,   beside) {
      beside = normal(directory(file) "/" name)
      return exists(beside) ? beside : normal(name)
    }
    function complain(text) { print where ": " text; bad = 1 }
    function check_ours(file, name,   to, from, target, k, ok) {
      target = resolve(file, name); to = room_of(target); from = room_of(file)
      # Headers that the build makes out of bpf/ are not in the tree.
      if (!exists(target) && target !~ /^bpf\/[^\/]+\.skel\.h$/)
        return complain("\"" name "\" is not in the tree")
      if (!(from in allowed))
        return complain("the room " from " is not in the table of " script)
      ok = to == from || index(allowed[from], " " to " ")
      for (k = 1; k <= exception_count; k++)
        if (glob_match(file, exception[k]) && index(also[exception[k]], " " to " ")) ok = 1
      if (!ok) complain(from " may not include " to " (\"" name "\")")
      if (to == "bpf" && from != "bpf" && target !~ /\.skel\.h$/)
        complain(from " may include of bpf only the headers that the build makes")
    }
    function glob_match(file, glob) {
      gsub(/\./, "\\.", glob); gsub(/\*/, "[^/]*", glob)
      return file ~ ("^" glob "$")
    }
    function check_library(file, name,   k) {
      for (k = 1; k <= library_count; k++)
        if (index(name, library[k]) == 1 && !index(users[library[k]], " " room_of(file) " "))
          complain(room_of(file) " may not use <" name ">")
    }
    BEGIN {
      script = "tools/check-includes.sh"
      read_table(rooms, allowed)
      exception_count = read_table(exceptions, also, exception)
      library_count = read_table(libraries, users, library)
    }
    {
      split($0, at, ":"); file = at[1]; where = at[1] ":" at[2]; seen++
      if (match($0, /"[^"]+"/)) check_ours(file, substr($0, RSTART + 1, RLENGTH - 2))
      else if (match($0, /<[^>]+>/)) check_library(file, substr($0, RSTART + 1, RLENGTH - 2))
      else complain("an include that this check cannot read")
    }
    END {
      if (!seen) { print "no include found at all"; bad = 1 }
      exit bad
    }'
