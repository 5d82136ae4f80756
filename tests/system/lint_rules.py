# SPDX-License-Identifier: BSD-2-Clause
"""Tries cases of rules: what breaks one is found and said whole, its repaired twin is silent, and each way out that
berth lint names, as far as it is a line or a sysctl, makes the finding go.

usage: lint_rules.py BERTH ROOT <CASES: "RULE | FILE | text | repaired text" a line; a case's further files begin with "+".
Prints the rules that were tried, and how many ways of each kind were gone; status 1 where something does not hold.
"""

import collections
import json
import os
import re
import shutil
import subprocess
import sys


def lint(berth, root):
    """All findings of a root."""
    command = [berth, "lint", "--root", root, "--json", "--notes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done
    return [json.loads(line) for line in done.stdout.splitlines()]


def key(finding, root):
    # Numbers of lines and ports change with the mending.
    return (finding["rule"], finding["file"].replace(root, ""), re.sub(r"\d+", "N", finding["text"].replace(root, "")))


def set_line(path, number, text):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    lines[number - 1] = text
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def append(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(text + "\n")


def go(way, root, finding):
    """Does what a way says; returns its kind, None where it is no matter of files."""
    line = r"(?P<file>/\S+?):(?P<line>\d+): (?P<text>.*)"
    if match := re.fullmatch(r"take out " + line, way):
        set_line(match["file"], int(match["line"]), "")
        return "take out"
    if re.match(r"\S+: set |/\S+:\d+: set ", way):
        return None
    if match := re.fullmatch(line, way):
        # The second one may be of the same file: "FILE:1: a=1 and :2: b=2".
        parts = re.split(r" and (?=(?:/\S+?)?:\d+: )", way)
        parts = [match["file"] + part if part.startswith(":") else part for part in parts]
        for part in parts:
            one = re.fullmatch(line, part)
            set_line(one["file"], int(one["line"]), one["text"])
        return "line"
    if re.fullmatch(rf"(echo|seq) \d+ ?\d* >>{root}/etc/bindresvport.blacklist( && .*)?", way):
        subprocess.run(["sh", "-c", way], check=True)
        return "spare"
    if match := re.fullmatch(r"(/\S+): add within (\S+): (.*)", way):
        with open(match[1], encoding="utf-8") as file:
            text = file.read()
        with open(match[1], "w", encoding="utf-8") as file:
            file.write(text.replace(match[2] + " {", match[2] + " {\n" + match[3], 1))
        return "add"
    if way.startswith(f"mkdir -p {root}/etc/systemd/system/"):
        subprocess.run(["sh", "-c", way], check=True)
        return "drop-in"
    if match := re.fullmatch(r"(/\S+): add (.*)", way):
        for text in match[2].split(", and "):
            append(match[1], text)
        return "add"
    if match := re.fullmatch(r"after the include in (/\S+): (.*)", way):
        append(match[1], match[2])
        return "after"
    if match := re.fullmatch(r"write (/\S+)", way):
        append(match[1], "")
        return "write"
    if way == f"berth lint --root {root} --fix":
        os.makedirs(root + "/etc/sysctl.d", exist_ok=True)
        subprocess.run([sys.argv[1], "lint", "--root", root, "--fix"], capture_output=True, check=True)
        return "fix"
    if re.match(r"berth-lint: ignore", way):
        with open(finding["file"], encoding="utf-8") as file:
            text = file.read()
        with open(finding["file"], "w", encoding="utf-8") as file:
            file.write(re.sub(r"berth-lint: ignore [a-z,]*", way, text))
        return "reason"
    return None


def lay(root, case, column):
    """Makes the tree of a case with its broken (0) or repaired (1) texts."""
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root + "/etc/sysctl.d")
    for path, *texts in case:
        text = texts[column] if texts[column] != "-" else texts[0]
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        with open(root + path, "w", encoding="utf-8") as file:
            file.write(text.replace("\\n", "\n") + "\n")


def go_ways(berth, root, gone):
    """Goes the ways of all findings; returns those that do not help."""
    findings = lint(berth, root)
    keys = [key(finding, root) for finding in findings]
    failed = []
    for finding in findings:
        mine = key(finding, root)
        for way in finding["ways"]:
            shutil.copytree(root, root + ".kept", symlinks=True)
            kind = go(way, root, finding)
            if kind:
                gone[kind] += 1
                if [key(other, root) for other in lint(berth, root)].count(mine) >= keys.count(mine):
                    failed.append(f"no help: {finding['text']}\n    {way}")
            shutil.rmtree(root)
            os.rename(root + ".kept", root)
    return failed


def is_whole(finding):
    """Says where, what, why, and ways out."""
    return (
        finding["file"]
        and finding["level"] in ("note", "warning", "error")
        and len(finding["text"]) > 20
        and len(finding["why"]) > 20
        and (finding["ways"] or finding["rule"] == "syntax")
    )


def main():
    berth, root = sys.argv[1:]
    cases, failed, gone = [], [], collections.Counter()
    for line in sys.stdin:
        rule, *row = (part.strip() for part in line.split(" | "))
        if rule != "+":
            cases.append((rule, []))
        cases[-1][1].append(row)
    for number, (rule, case) in enumerate(cases, 1):
        lay(root, case, 0)
        found = [finding for finding in lint(berth, root) if finding["rule"] == rule]
        if not found or not all(map(is_whole, found)):
            failed.append(f"case {number}: {rule} is not found, or not whole: {found}")
        failed += go_ways(berth, root, gone)
        lay(root, case, 1)
        found = [finding for finding in lint(berth, root) if finding["rule"] == rule]
        if found:
            failed.append(f"case {number}, repaired: {found}")
    print(*sorted({rule for rule, _ in cases}))
    print(*sorted(gone))
    print("\n".join(failed), end="")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
