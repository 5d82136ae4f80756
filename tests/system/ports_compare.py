#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares the rows of berth ports --json --details (a file) with what other programs say of this namespace.

usage: ports_compare.py ss|lsof|proc FILE [PORT]. Prints each row that one side has and the other has not; exit status 1
then. PORT belongs to a thread with descriptors of its own, which ss and lsof do not look at.
"""
import collections
import ipaddress
import json
import re
import struct
import subprocess
import sys

SS_STATES = {"ESTAB": "established", "LISTEN": "listening", "UNCONN": "unconnected", "TIME-WAIT": "time-wait",
             "FIN-WAIT-1": "fin-wait-1", "FIN-WAIT-2": "fin-wait-2", "CLOSE-WAIT": "close-wait", "LAST-ACK": "last-ack",
             "SYN-SENT": "syn-sent", "SYN-RECV": "syn-recv", "CLOSING": "closing"}
STATES = dict(enumerate(["", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
                         "unconnected", "close-wait", "last-ack", "listening", "closing", "syn-recv"]))


def rows():
    with open(sys.argv[2], encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def end(addr, port):
    addr = addr.strip("[]").split("%")[0]
    return ("::" if addr == "*" else str(ipaddress.ip_address(addr)), int(port) if port not in ("*", "0") else 0)


def ours_end(row, prefix):
    wild = "0.0.0.0" if row["family"] == "ipv4" else "::"
    return (str(ipaddress.ip_address(row.get(prefix + "address", wild))), row.get(prefix + "port", 0))


def from_ss():
    found = collections.Counter()
    text = subprocess.run(["ss", "-Htunap"], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        proto, state, rq, sq, local, peer, *users = line.split(None, 6)
        pids = frozenset(int(p) for p in re.findall(r"pid=(\d+)", users[0] if users else ""))
        found[proto, SS_STATES[state], end(*local.rsplit(":", 1)), end(*peer.rsplit(":", 1)), int(rq), int(sq), pids] += 1
    return found


def ours_for_ss():
    """One entry a socket, with all its holders."""
    sockets = {}
    for row in rows():
        if row["protocol"] in ("tcp", "udp") and row["state"] != "bound":
            key = (row["protocol"], row["state"], ours_end(row, ""), ours_end(row, "peer_"), row["recv_queue"],
                   row["send_queue"])
            seen = "pid" in row and str(row["port"]) not in sys.argv[3:]
            sockets.setdefault((key, row.get("inode")), set()).update([row["pid"]] if seen else [])
    return collections.Counter(key + (frozenset(pids),) for (key, _), pids in sockets.items())


def from_lsof():
    found = set()
    text = subprocess.run(["lsof", "-nP", "-iTCP", "-iUDP", "-FPn"], capture_output=True, text=True, check=False).stdout
    for line in text.splitlines():
        if line[0] == "p":
            pid = int(line[1:])
        elif line[0] == "P":
            proto = line[1:].lower()
        elif line[0] == "n":
            local, _, peer = line[1:].partition("->")
            found.add((pid, proto, local.rsplit(":", 1)[1], end(*peer.rsplit(":", 1)) if peer else None))
    return found


def ours_for_lsof():
    return {(r["pid"], r["protocol"], str(r["port"]), ours_end(r, "peer_") if "peer_port" in r else None)
            for r in rows() if "pid" in r and r["protocol"] in ("tcp", "udp") and r["state"] != "bound" and
            str(r["port"]) not in sys.argv[3:]}


def from_proc():
    found = collections.Counter()
    for name in ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"):
        with open("/proc/net/" + name, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                word = line.split()
                ends = []
                for text in word[1:3]:
                    addr, port = text.split(":")
                    raw = b"".join(struct.pack("=I", int(addr[i:i + 8], 16)) for i in range(0, len(addr), 8))
                    ends.append((str(ipaddress.ip_address(raw)), 0 if name.startswith("raw") else int(port, 16)))
                state = STATES[int(word[3], 16)]
                found[name.rstrip("6"), state, ends[0], ends[1], int(word[9])] += 1
    return found


def ours_for_proc():
    found = set()
    for row in rows():
        if row["protocol"] != "mptcp" and row["state"] != "bound":
            found.add((row["protocol"], row["state"], ours_end(row, ""), ours_end(row, "peer_"), row.get("inode", 0)))
    return collections.Counter(found)


def main():
    theirs, ours = {"ss": (from_ss, ours_for_ss), "lsof": (from_lsof, ours_for_lsof),
                    "proc": (from_proc, ours_for_proc)}[sys.argv[1]]
    theirs, ours = theirs(), ours()
    for row in theirs - ours:
        print(f"only {sys.argv[1]}: {row}")
    for row in ours - theirs:
        print(f"only berth: {row}")
    print(len(theirs), "compared")
    return 0 if theirs == ours and theirs else 1


sys.exit(main())
