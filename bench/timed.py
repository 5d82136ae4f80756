#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command and writes what it took as JSON: timed.py FILE COMMAND..."""
import json
import os
import subprocess
import sys
import time

began = time.monotonic()
child = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(child.pid, 0)
with open(sys.argv[1], "w", encoding="utf-8") as out:
    json.dump({"seconds": time.monotonic() - began, "cpu": usage.ru_utime + usage.ru_stime,
               "kb": usage.ru_maxrss, "status": os.waitstatus_to_exitcode(status)}, out)
    out.write("\n")
