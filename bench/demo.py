#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the table and the plot of bench/demo.sh out of what the client reported in its two runs."""
import json
import math
import sys

ALONE, BERTH, INK, PALE = "#c2410c", "#0e7490", "#1f2937", "#e5e7eb"


def read(path):
    """The steps of one run, and its summary."""
    with open(path, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    steps = [e for e in events if e["event"] == "step"]
    return steps, next(e for e in events if e["event"] == "filled")


def errors(step):
    return ", ".join(sorted(step["errors"]))


def cell(step):
    """What a step cost and how much of it failed, as two columns."""
    if step is None:
        return "-", "-"
    cost = f"{step['us_median']:,.1f}" if step["us_median"] is not None else "-"
    failed = f"{step['failed']:,} {errors(step)}" if step["failed"] else "0"
    return cost, failed


def rows_of_interest(alone, berth, ports):
    """A tenth of the ports at a time, and every step near their end."""
    last, shown = -1.0, []
    for i in range(max(len(alone), len(berth))):
        end = (alone[i] if i < len(alone) else berth[i])["to"]
        near_end = i < len(alone) and end > 0.97 * ports
        if end / ports - last >= 0.0999 or near_end or i == len(berth) - 1:
            shown.append(i)
            last = end / ports
    return shown


def table(alone, berth, ports, out):
    line = "{:>11}  {:>9}  {:>12}  {:<22}  {:>12}  {:<8}\n"
    out.write(line.format("connections", "of the", "alone:", "", "berth run:", ""))
    out.write(line.format("open", f"{ports:,}", "us/connect", "failed", "us/connect", "failed"))
    for i in rows_of_interest(alone, berth, ports):
        a = alone[i] if i < len(alone) else None
        b = berth[i] if i < len(berth) else None
        end = (a or b)["to"]
        out.write(line.format(f"{end:,}", f"{100 * end / ports:.0f} %", *cell(a), *cell(b)))


class Plot:
    """Occupancy on a straight x axis, microseconds on a logarithmic y axis."""

    def __init__(self, x_max, y_min, y_max):
        self.x_max, self.y_min, self.y_max = x_max, y_min, y_max
        self.left, self.top, self.width, self.height = 78, 92, 760, 340
        self.parts = []

    def x(self, value):
        return self.left + self.width * value / self.x_max

    def y(self, value):
        span = math.log10(self.y_max / self.y_min)
        return self.top + self.height * (1 - math.log10(value / self.y_min) / span)

    def line(self, x1, y1, x2, y2, colour, extra=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" {extra}/>')

    def text(self, x, y, words, size=14, colour=INK, anchor="start", extra=""):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}" paint-order="stroke" stroke="#ffffff" '
                          f'stroke-width="5" {extra}>{words}</text>')

    def grid(self):
        value = self.y_min
        while value <= self.y_max:
            self.line(self.left, self.y(value), self.left + self.width, self.y(value), PALE)
            self.text(self.left - 10, self.y(value) + 5, f"{value:,.0f}", anchor="end")
            value *= 10
        bottom = self.top + self.height
        for value in range(0, int(self.x_max) + 1, 10000):
            self.line(self.x(value), bottom, self.x(value), bottom + 5, INK)
            self.text(self.x(value), bottom + 22, f"{value:,}", anchor="middle")
        self.line(self.left, bottom, self.left + self.width, bottom, INK)
        self.text(self.left + self.width / 2, bottom + 46,
                  "connections open from one address to one destination", anchor="middle")
        self.text(self.left, self.top - 12, "µs per connect(), median of each step, logarithmic",
                  size=13)

    def curve(self, steps, colour):
        points = [(self.x(s["from"] + s["ok"] / 2), self.y(s["us_median"]))
                  for s in steps if s["us_median"] is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                          'stroke-width="3" stroke-linejoin="round"/>')
        return points

    def svg(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="900" height="500" '
                'viewBox="0 0 900 500" font-family="DejaVu Sans, sans-serif">'
                '<rect width="900" height="500" fill="#ffffff"/>' + "\n".join(self.parts)
                + "</svg>\n")


def plot(alone, berth, filled, ports, via):
    costs = [s["us_median"] for s in alone + berth if s["us_median"]]
    costs += [s["failed_us_median"] for s in alone + berth if s["failed_us_median"]]
    most = max(s["to"] for s in alone + berth)
    p = Plot(most * 1.04, 10 ** math.floor(math.log10(min(costs) / 2)),
             10 ** math.ceil(math.log10(max(costs))))
    p.text(p.left, 34, "The same program, alone and under berth run", size=21,
           extra='font-weight="bold"')
    way = "cgroup BPF" if via == "bpf" else "preloaded library"
    p.text(p.left, 58, f"Linux has {ports:,} ephemeral ports here; berth assigns from 1024-65535 "
           f"({way})", size=13, colour="#4b5563")
    p.grid()
    slow, flat = p.curve(alone, ALONE), p.curve(berth, BERTH)
    failing = [s for s in alone if s["failed"]]
    if failing:
        x, y = p.x(filled["ok"]), slow[-1][1]
        p.line(x, p.top, x, p.top + p.height, ALONE, 'stroke-dasharray="5 5" stroke-width="1.5"')
        cost = failing[-1]["failed_us_median"]
        p.text(x + 9, p.top + 18, f"every further connect fails: {errors(failing[-1])}", 13, ALONE)
        p.text(x + 9, p.top + 36, f"after {cost:,.0f} µs", 13, ALONE)
        p.parts.append(f'<circle cx="{slow[-1][0]:.1f}" cy="{y:.1f}" r="5" fill="{ALONE}"/>')
    p.text(slow[-1][0] - 12, min(y for _, y in slow) - 10, "alone: the kernel searches",
           15, ALONE, "end", 'font-weight="bold"')
    p.text(flat[-1][0], max(y for _, y in flat[len(flat) // 2:]) + 26,
           "berth run: every connect gets its port at once", 15, BERTH, "end", 'font-weight="bold"')
    return p.svg()


def main():
    alone, filled = read(sys.argv[1])
    berth, berth_filled = read(sys.argv[2])
    ports, via, svg = int(sys.argv[3]), sys.argv[4], sys.argv[5]
    table(alone, berth, ports, sys.stdout)
    print(f"alone: {filled['ok']:,} connections, {filled['failed']:,} refused, "
          f"{filled['seconds']:.1f} s; under berth: {berth_filled['ok']:,} connections, "
          f"{berth_filled['failed']:,} refused, {berth_filled['seconds']:.1f} s")
    with open(svg, "w", encoding="utf-8") as out:
        out.write(plot(alone, berth, filled, ports, via))


if __name__ == "__main__":
    main()
