# SPDX-License-Identifier: BSD-2-Clause
"""Takes meson's testlog.json apart: testlog.py LOG DIR.

Writes the output of each test to a file in DIR and prints one line for it: verdict, exit status, name and
that file, separated by tabs.
"""
import json
import os
import re
import sys


def main(log, directory):
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            test = json.loads(line)
            # "project:suite / name", without a suite "name"
            name = test["name"].split(":", 1)[-1].replace(" / ", "/")
            path = os.path.join(directory, "test-" + re.sub(r"\W+", "-", name) + ".txt")
            with open(path, "w", encoding="utf-8") as out:
                out.write(test.get("stdout") or "")
                out.write(test.get("stderr") or "")
            print(test["result"], test["returncode"], name, path, sep="\t")


main(*sys.argv[1:])
