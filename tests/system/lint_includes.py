# SPDX-License-Identifier: BSD-2-Clause
"""Tries what files include: it is found where it stands, silent when repaired, and missed where the program minds.

usage: lint_includes.py BERTH ROOT <CASES: "FILE | text | the included file | its text | told or quiet" a line.
What the included file declares lies in the ephemeral range with port 40000 (a pool of source ports: holds squid's 3128).
Prints what does not hold; status 1 then.
"""

import json
import os
import shutil
import subprocess
import sys


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("\\n", "\n") + "\n")


def lint(berth, root):
    """Findings as (rule, file below the root), those of defaults left out."""
    done = subprocess.run([berth, "lint", "--root", root, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(f["rule"], f["file"].removeprefix(root)) for f in found if f["line"]}


def try_one(berth, root, main, text, part, more, minds):
    shutil.rmtree(root, ignore_errors=True)
    write(root + main, text)
    write(root + part, more)
    write(root + "/etc/squid/conf.d/x.conf", "http_port 3128")
    # A pair of which one half is included stands where its first half does.
    spots = {("ephemeral", part), ("source", part)} | ({("ephemeral", main)} if "rtpstart" in text else set())
    found = lint(berth, root)
    if not found & spots:
        yield f"{part} is not read: {found}"
    if ("include", main) in found and minds == "quiet":
        yield f"{main}: something is missed that is there, or need not be: {found}"
    write(root + part, more.replace("40000", "20000").replace("3128-3128", "20000-20000"))
    if {rule for rule, _ in lint(berth, root)} & {"ephemeral", "source"}:
        yield f"{part}, repaired: {lint(berth, root)}"
    os.remove(root + part)
    if not os.listdir(os.path.dirname(root + part)):
        os.rmdir(os.path.dirname(root + part))
    if (("include", main) in lint(berth, root)) != (minds == "told"):
        yield f"{main}: {part} is not there, and the program should be {minds}: {lint(berth, root)}"


def main():
    berth, root = sys.argv[1:]
    failed = []
    for line in sys.stdin:
        failed += try_one(berth, root, *(part.strip() for part in line.split(" | ")))
    print("\n".join(failed))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
