# SPDX-License-Identifier: BSD-2-Clause
"""Checks a file against SARIF 2.1.0 (OASIS, 2020) as far as berth writes it: required properties, types, no others.

usage: lint_sarif.py FILE ROOT: prints how many results there are; findings of a rule stand at lines of files of ROOT.
"""

import json
import os
import sys
import urllib.parse

LEVEL = ("none", "note", "warning", "error")

# object: {property: (required, check)}; a check is a type, a tuple of values, another object, or [one of a list].
OBJECTS = {
    "log": {"$schema": (False, str), "version": (True, ("2.1.0",)), "runs": (True, ["run"])},
    "run": {"tool": (True, "tool"), "results": (False, ["result"])},
    "tool": {"driver": (True, "component")},
    "component": {"name": (True, str), "version": (False, str), "rules": (False, ["rule"])},
    "rule": {
        "id": (True, str),
        "shortDescription": (False, "text"),
        "fullDescription": (False, "text"),
        "defaultConfiguration": (False, "configuration"),
    },
    "text": {"text": (True, str)},
    "configuration": {"level": (False, LEVEL)},
    "result": {
        "ruleId": (False, str),
        "ruleIndex": (False, int),
        "level": (False, LEVEL),
        "message": (True, "text"),
        "locations": (False, ["location"]),
        "properties": (False, dict),
        "suppressions": (False, ["suppression"]),
    },
    "location": {"physicalLocation": (False, "physical")},
    "physical": {"artifactLocation": (True, "artifact"), "region": (False, "region")},
    "artifact": {"uri": (False, str)},
    "region": {"startLine": (True, int)},
    "suppression": {"kind": (True, ("inSource", "external")), "justification": (False, str)},
}


def check(value, what, where):
    if isinstance(what, list):
        assert isinstance(value, list), where
        for at, one in enumerate(value):
            check(one, what[0], f"{where}[{at}]")
    elif isinstance(what, tuple):
        assert value in what, (where, value)
    elif isinstance(what, type):
        assert type(value) is what, (where, value)
    else:
        known = OBJECTS[what]
        assert isinstance(value, dict) and not set(value) - set(known), (where, value)
        for name, (required, inner) in known.items():
            assert not required or name in value, (where, name)
            if name in value:
                check(value[name], inner, f"{where}.{name}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        log = json.load(file)
    check(log, "log", "log")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        physical = result["locations"][0]["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert uri.isascii() and " " not in uri and not urllib.parse.urlsplit(uri).scheme, uri
        path = urllib.parse.unquote(uri)
        assert path.startswith(sys.argv[2]) and os.path.exists(path), path
        with open(path, encoding="utf-8") as file:
            assert 1 <= physical["region"]["startLine"] <= max(1, len(file.readlines()))
        # All or none (3.27.23).
        assert "suppressions" in result
    suppressed = sum(bool(result["suppressions"]) for result in run["results"])
    print(f"{len(run['results'])} results, {suppressed} suppressed")


if __name__ == "__main__":
    sys.exit(main())
