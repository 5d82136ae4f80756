#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Turns the raw files of bench/bench.sh into figures: a table on stdout and one JSON file.

A figure is a median over rounds (churn: over seconds) with the lowest and the highest of them
beside it. Ratios are made within a round, so that a load from elsewhere hits both sides.
"""
import glob
import json
import os
import platform
import statistics
import sys

RAW = sys.argv[1]
PORTS = 28232
FIGURES, REASONS = [], {}
NAMES = {"kernel": "kernel's choice", "berth": "berth run", "pool": "berth run --pool",
         "range": "program with IP_LOCAL_PORT_RANGE"}


def events(name):
    """What a client reported in the file, or nothing where it is missing."""
    path = os.path.join(RAW, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def one(name):
    """The JSON text in the file, or None."""
    path = os.path.join(RAW, name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def add(part, what, values, unit, at_most=None, at_least=None):
    """Notes a figure; values is one number for each round."""
    values = [v for v in values if v is not None]
    if not values:
        return
    value = statistics.median(values)
    figure = {"part": part, "what": what, "unit": unit, "value": value, "low": min(values),
              "high": max(values), "rounds": len(values), "goal": None, "met": None}
    if at_most is not None:
        figure.update(goal=f"<= {at_most:g}", met=value <= at_most)
    if at_least is not None:
        figure.update(goal=f">= {at_least:,g}", met=value >= at_least)
    FIGURES.append(figure)


def rounds_of(part, who):
    found = glob.glob(os.path.join(RAW, f"{part}-{who}-*.jsonl"))
    return sorted(int(f.rsplit("-", 1)[1].split(".")[0]) for f in found)


def median_between(part, who, round_, low, high):
    """Median over the steps between two occupancies (percent) of the steps' medians, in us."""
    steps = [s for s in events(f"{part}-{who}-{round_}.jsonl") if s["event"] == "step"]
    count = PORTS
    costs = [s["us_median"] for s in steps
             if s["us_median"] is not None and 100 * s["from"] >= (low - 0.01) * count
             and 100 * s["to"] <= (high + 0.01) * count]
    return statistics.median(costs) if costs else None


def ratio(a, b):
    return a / b if a is not None and b else None


def costs_of(part, spans):
    """For each rival and span of occupancy what connect cost in each round."""
    return {(who, span): [median_between(part, who, r, *ends) for r in rounds_of(part, who)]
            for who in NAMES for span, ends in spans.items()}


def compare(part, what, ours, theirs, **goal):
    add(part, what, [ratio(a, b) for a, b in zip(ours, theirs)], "x", **goal)


# The first percent is left out for everybody: it pays for cold caches.
def low():
    cost = costs_of("low", {"": (1, 10)})
    for who, name in NAMES.items():
        add("low", f"{name}, under 10 % of 28,232 ports", cost[who, ""], "us/connect")
    compare("low", "berth / kernel's choice", cost["berth", ""], cost["kernel", ""], at_most=1.15)
    compare("low", "berth --pool / kernel's choice", cost["pool", ""], cost["kernel", ""],
            at_most=1.15)


def connect():
    spans = {"under 10 %": (1, 10), "10-49 %": (10, 49), "60-99 %": (60, 99), "98-100 %": (98, 100)}
    cost = costs_of("connect", spans)
    for who, name in NAMES.items():
        for span in spans:
            add("connect", f"{name}, {span} of 28,232 ports", cost[who, span], "us/connect")
    compare("connect", "berth at 99 % / berth under 10 %", cost["berth", "98-100 %"],
            cost["berth", "under 10 %"], at_most=1.2)
    compare("connect", "kernel's choice / berth, both at 60-99 %", cost["kernel", "60-99 %"],
            cost["berth", "60-99 %"], at_least=30)
    compare("connect", "IP_LOCAL_PORT_RANGE / berth, both at 60-99 %", cost["range", "60-99 %"],
            cost["berth", "60-99 %"])


def refuse():
    for who, name in NAMES.items():
        runs = [e for r in rounds_of("refuse", who) for e in events(f"refuse-{who}-{r}.jsonl")]
        add("refuse", f"{name}: connect on a full pool", [e["failed_us_median"] for e in runs],
            "us", at_most=5 if who == "berth" else None)
        if who == "berth":
            add("refuse", f"{name}: connections when it refuses", [e["open"] for e in runs], "")
            other = [sum(e["errors"].values()) - e["errors"].get("EADDRNOTAVAIL", 0) + e["ok"]
                     for e in runs]
            add("refuse", f"{name}: answers other than EADDRNOTAVAIL", other, "", at_most=0)


def many():
    filled = [e for e in events("many.jsonl") if e["event"] == "filled"]
    before, during = one("many-before.json"), one("many-during.json")
    pairs, peer = one("many-pairs.json"), one("many-peer-pairs.json")
    if not filled or not during or not pairs:
        return
    filled = filled[0]
    count = filled["ok"]
    add("many", "connections to one endpoint, 16 addresses", [count], "",
        at_least=count + filled["failed"])
    add("many", "refused", [filled["failed"]], "", at_most=0)
    add("many", "socket pairs in the kernel's table", [pairs["tcp"]], "", at_least=count)
    add("many", "socket pairs that exist twice", [pairs["duplicates"] + peer["duplicates"]], "",
        at_most=0)
    add("many", "time to open them all", [filled["seconds"]], "s")
    add("many", "median of connect, processes in parallel", [filled["us_median"]], "us/connect")
    if not count:
        return
    add("many", "memory, both ends, all of the host",
        [(during["used_kb"] - before["used_kb"]) / 1024], "MiB")
    add("many", "slabs for one connection, both ends",
        [(during["slab_kb"] - before["slab_kb"]) * 1024 / count], "bytes")
    if during["bpf_maps_bytes"] is not None:
        add("many", "BPF maps of berth",
            [(during["bpf_maps_bytes"] - before["bpf_maps_bytes"]) / 2**20], "MiB")


def steady_seconds(run, warmup=15000):
    """Connections in each whole second after the first warmup attempts."""
    seen, rates = 0, []
    for e in run:
        if e["event"] != "second":
            continue
        if seen >= warmup:
            rates.append(e["ok"])
        seen += e["ok"] + e["failed"]
    return rates


def churn():
    runs = {who: events(f"churn-{who}.jsonl")
            for who in ("kernel", "uniform", "sequential", "longest-idle")}
    kernel = runs["kernel"][-1]["steady_rate"] if runs["kernel"] else None
    for who, run in runs.items():
        if not run:
            continue
        end, name = run[-1], who if who == "kernel" else f"berth {who}"
        add("churn", f"{name}: steady connections", steady_seconds(run), "1/s")
        add("churn", f"{name}: connections in {end['seconds']:.0f} s", [end["ok"]], "")
        add("churn", f"{name}: failed", [end["failed"]], "", at_most=None if who == "kernel" else 0)
        add("churn", f"{name}: longest connect", [end["us"]["max"] / 1000], "ms")
        if who != "kernel" and end["steady_rate"] and kernel:
            add("churn", f"{name} / kernel, steady", [end["steady_rate"] / kernel], "x",
                at_least=30)


def churn_untimed():
    part = "churn, no timestamps"
    for who in ("kernel", "uniform", "sequential", "longest-idle"):
        run = events(f"churn-untimed-{who}.jsonl")
        if not run:
            continue
        end, name = run[-1], who if who == "kernel" else f"berth {who}"
        ours, before = who != "kernel", end["ok_before_failure"]
        add(part, f"{name}: connections before the first failure",
            [end["ok"] if before is None else before], "", at_least=PORTS if ours else None)
        add(part, f"{name}: connections in {end['seconds']:.0f} s", [end["ok"]], "")
        if end["failed_us"]:
            add(part, f"{name}: a failing connect", [end["failed_us"]["median"]], "us",
                at_most=5 if ours else None)


def reuse():
    for who in ("uniform", "sequential", "longest-idle"):
        run = events(f"reuse-{who}.jsonl")
        if not run or not run[-1]["reuse_connections"]:
            continue
        end, name = run[-1], f"berth {who}"
        for key, unit in (("reuse_connections", "connections"), ("reuse_ms", "ms")):
            add("reuse", f"{name}: shortest until a port comes back", [end[key]["min"]], unit)
            add("reuse", f"{name}: median until a port comes back", [end[key]["median"]], unit)


def core():
    found = one("core.json")
    if not found:
        return
    for path in ("set", "lane", "loop"):
        for place in ("0 %", "50 %", "99 %", "99.99 %", "full"):
            rows = [r for r in found["rows"] if r["path"] == path and r["occupancy"] == place]
            if rows:
                worst = max(rows, key=lambda r: r["median_ns"])
                goal = found["goal_ns"] if path != "loop" else None
                add("core", f"{path}, slowest policy ({worst['policy']}), {place}",
                    [worst["median_ns"]], "ns", at_most=goal)


def sim():
    """Connections for each second of processor time; what the fleet of 10^9 takes of it on two cores."""
    goals = {"uniform": 20}
    for policy in ("uniform", "linux"):
        rates = [row["tried"] / row["cpu_seconds"] / 1e6 for round_ in rounds_of("sim", "one")
                 for row in events(f"sim-one-{round_}.jsonl") if row["policy"] == policy]
        add("sim", f"one destination, {policy}, one core", rates, "million/s",
            at_least=goals.get(policy))
    whole = [10 * row["cpu_seconds"] / 2 for round_ in rounds_of("sim", "fleet")
             for row in events(f"sim-fleet-{round_}.jsonl")]
    add("sim", "10,000 hosts, 10^9 connections, two cores (ten times 10^8)", whole, "s", at_most=300)


def grant():
    rows = events("grant.jsonl")
    for case in dict.fromkeys(r["case"] for r in rows):
        ours = [r for r in rows if r["case"] == case]
        add("grant", f"bind() without rules; {case}", [r["without_ns"] for r in ours], "ns")
        add("grant", f"10,000 rules / none; {case}", [r["with_ns"] / r["without_ns"] for r in ours],
            "x", at_most=1.1)


def space():
    found = one("space.json")
    if not found:
        return
    for what in ("connect", "bind", "loop 1", "loop 2", "list", "maps", "ring", "queue"):
        for place in ("0 %", "50 %", "99 %", "99.99 %", "full"):
            rows = [r for r in found["rows"] if r["what"] == what and r["occupancy"] == place]
            if rows:
                worst = max(rows, key=lambda r: r["median_ns"])
                goal = found["goal_ns"] if what in ("connect", "bind") else None
                add("space", f"{what}, slowest ({worst['name']}), {place}", [worst["median_ns"]], "ns",
                    at_most=goal)
    add("space", "two threads against one", [found["threads"]["ratio"]], "x",
        at_least=found["goal_threads"])
    add("space", "idle space, one address", [found["idle_bytes"]], "bytes", at_most=16384)
    for case in found["memory"]:
        add("space", f"each of {case['pairs']} pairs, {case['destinations']} destinations",
            [case["bytes_each"]], "bytes", at_most=64)


def ports():
    runs = {name: events(f"ports-{name}.jsonl")
            for name in ("json", "ss", "count", "ss-owners", "small", "small-all", "own")}
    seconds = {name: [r["seconds"] for r in run] for name, run in runs.items()}
    if runs["json"]:
        rows = runs["json"][0]["lines"]
        add("ports", "rows of berth ports --json, every one with its holder", [r["lines"] for r in runs["json"]], "")
        add("ports", "berth ports --json", seconds["json"], "s", at_most=1.0)
        add("ports", "ss -tan, which shows no holders", seconds["ss"], "s")
        compare("ports", "berth ports --json / ss -tan", seconds["json"], seconds["ss"], at_most=1.0)
        add("ports", "ss -tanp, first 100,000 rows", seconds["ss-owners"], "s")
        whole = [s * rows / 100000 for s in seconds["ss-owners"]]
        add("ports", "ss -tanp, all rows, extrapolated", whole, "s")
        add("ports", "ss -tanp / berth ports --json",
            [w / statistics.median(seconds["json"]) for w in whole], "x", at_least=200)
        add("ports", "berth ports --json, memory", [r["kb"] / 1024 for r in runs["json"]], "MiB", at_most=64)
        add("ports", "berth ports --count-by destination", seconds["count"], "s", at_most=0.5)
    add("ports", "berth ports 443, 500 sockets", [s * 1000 for s in seconds["small"]], "ms", at_most=20)
    add("ports", "berth ports --json, 500 sockets", [s * 1000 for s in seconds["small-all"]], "ms")
    add("ports", "20,000 sockets through sock_diag and /proc", seconds["own"], "s", at_most=0.3)
    watch, churn_run = one("ports-watch.json"), events("ports-churn.jsonl")
    if watch and churn_run:
        add("ports", "connections while watched", [churn_run[-1]["ok"] / churn_run[-1]["seconds"]], "1/s")
        add("ports", "berth ports --watch, CPU", [100 * watch["cpu"] / watch["seconds"]], "% of one")


def lint():
    rows = events("lint.jsonl")
    add("lint", "2,000 configuration files", [r["seconds"] for r in rows], "s", at_most=0.5)
    add("lint", "2,000 configuration files, memory, at most", [r["kb"] / 1024 for r in rows], "MiB", at_most=32)


# Megas a second for the table, which is what the goals say; ns for what is no look-up.
def demux():
    found = one("demux.json")
    if not found:
        return
    goals = {"berth, IPv4, single, words there": 20, "berth, IPv4, batches of 32, words there": 40}
    for row in found["rows"]:
        times = [row["median_ns"], row["min_ns"], row["max_ns"]]
        if row["part"] != "look-up":
            add("demux", ("memory, 54 MB: " if row["part"] == "memory" else "") + row["what"], times, "ns")
            continue
        if row["connections"] != 1000000:
            continue
        add("demux", f"{row['what']}, 1,000,000 connections", [1000 / t for t in times], "million/s",
            at_least=goals.get(row["what"]))
        if row["what"].endswith("single"):
            add("demux", f"{row['what']}: memory of a pair", [row["bytes_each"]], "bytes", at_most=64)


def text(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"


def table(out):
    for part in dict.fromkeys(f["part"] for f in FIGURES):
        out.write(f"\n{part}\n")
        for f in (f for f in FIGURES if f["part"] == part):
            spread = f"{text(f['low'])} .. {text(f['high'])}" if f["rounds"] > 1 else ""
            verdict = {True: "met", False: "MISSED", None: ""}[f["met"]]
            out.write(f"  {f['what']:<62} {text(f['value']):>10} {f['unit']:<11} {spread:<20} "
                      f"{f['goal'] or '':<9} {verdict}".rstrip() + "\n")
    for part, reason in REASONS.items():
        out.write(f"\n{part}\n  not measured here: {reason}\n")


def main():
    for path in sorted(glob.glob(os.path.join(RAW, "*.reason"))):
        with open(path, encoding="utf-8") as reason:
            REASONS[os.path.basename(path)[:-7]] = reason.read().strip()
    for part in (low, connect, refuse, many, churn, churn_untimed, reuse, core, sim, ports, grant, lint, demux, space):
        part()
    table(sys.stdout)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump({"kernel": platform.release(), "cpus": os.cpu_count(), "figures": FIGURES,
                   "not_measured": REASONS}, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
