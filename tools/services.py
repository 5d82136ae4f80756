#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the built-in list of services: services.py SOURCE OUT.c

SOURCE is IANA's registry, as CSV or in the form of services(5) (which may have "FIRST-LAST/tcp/udp"). The same
source gives the same output. Rows and words have the order that src/registry/layer.h promises.
"""

import csv
import re
import string
import sys

TRANSPORTS = ["tcp", "udp", "sctp", "dccp", "udplite"]
LEAST_ROWS = 5000  # a source with fewer is not the registry
# strcasecmp() of the C locale: ASCII letters only.
FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(word):
    return word.translate(FOLD).encode()


def ports_of(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def from_csv(lines):
    """Yields (ports, transport, name, description, aliases)."""
    rows = csv.reader(lines)
    next(rows)
    for row in rows:
        if len(row) < 4:
            sys.exit(f"services.py: line {rows.line_num}: {len(row)} fields")
        name, ports, transport, description = (" ".join(field.split()) for field in row[:4])
        if name and ports and transport in TRANSPORTS:
            # What the registry says of the name: that it replaces another one, an alias here.
            description = description.partition(" IANA assigned this well-formed service name")[0]
            yield ports_of(ports), transport, name, description, []


def from_services(lines):
    for number, line in enumerate(lines, 1):
        line, _, comment = line.partition("#")
        words = line.split()
        if not words:
            continue
        if len(words) < 2 or not re.fullmatch(r"\d+(-\d+)?(/[a-z]+)+", words[1]):
            sys.exit(f"services.py: line {number} is no service: {line!r}")
        ports, *transports = words[1].split("/")
        for transport in transports:
            if transport in TRANSPORTS:
                yield ports_of(ports), transport, words[0], " ".join(comment.split()), words[2:]


def read_rows(path):
    """{(port, number of transport): [name, description, alias...]}; the first name of a port is its name."""
    # Without translation: a quoted field may have line ends of its own.
    with open(path, encoding="utf-8-sig", newline="") as source:
        lines = list(source)
    read = from_csv if lines and lines[0].startswith("Service Name,") else from_services
    rows = {}
    for ports, transport, name, description, aliases in read(lines):
        for port in ports:
            if not 1 <= port <= 65535:
                sys.exit(f"services.py: port {port} of {name} is out of range")
            row = rows.setdefault((port, TRANSPORTS.index(transport)), [name, description])
            row[1] = row[1] or description
            for word in [name, *aliases]:
                if fold(word) not in [fold(w) for w in [row[0], *row[2:]]]:
                    row.append(word)
    if len(rows) < LEAST_ROWS:
        sys.exit(f"services.py: {path} has {len(rows)} services; this is not the registry")
    return rows


def quoted(record):
    """A record as C: each string with its NUL, an empty one at the end."""

    def char(byte):
        plain = 32 <= byte < 127 and byte not in b'"\\?'
        return chr(byte) if plain else f"\\{byte:03o}"

    # The octal escape of NUL has three digits: no digit behind it can join it.
    body = "".join("".join(map(char, s.encode())) + "\\000" for s in record)
    return f'"{body}\\000"'


def columns(items, width=8):
    for at in range(0, len(items), width):
        yield "\t" + " ".join(f"{item}," for item in items[at : at + width])


def main():
    source, out = sys.argv[1:]
    rows = read_rows(source)
    keys = sorted(rows)
    offsets, pool, size = {}, [], 0
    for key in keys:
        record = tuple(rows[key])
        if record not in offsets:
            offsets[record] = size
            pool.append(record)
            size += sum(len(s.encode()) + 1 for s in record) + 1
    words = []
    for number, key in enumerate(keys):
        name, _, *aliases = rows[key]
        words += [(fold(word), number << 8 | n) for n, word in enumerate([name, *aliases])]
    words.sort()
    with open(out, "w", encoding="ascii", newline="\n") as c:
        c.write("/* The built-in list of services. Made by tools/services.py; data/README.md says out of what. */\n")
        c.write('#include "src/registry/layer.h"\n\nstatic const char text[] =\n')
        c.write("\n".join("\t" + quoted(record) for record in pool) + ";\n\n")
        c.write("static const struct berth_services_row rows[] = {\n")
        c.write("\n".join(columns([f"{{ {p}, {t}, {offsets[tuple(rows[p, t])]} }}" for p, t in keys], 4)))
        c.write("\n};\n\nstatic const uint32_t words[] = {\n")
        c.write("\n".join(columns([word for _, word in words], 12)))
        c.write("\n};\n\nconst struct berth_services_layer berth_services_builtin = {\n")
        c.write(f"\trows, words, text, NULL, {len(keys)}, {len(words)}\n}};\n")


main()
