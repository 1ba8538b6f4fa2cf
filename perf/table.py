#!/usr/bin/env python3
"""Reads what perf/run.sh printed and prints the table of bars: measured, bar, reached or missed. Usage: perf/table.py REPORT"""
import re
import sys

text = open(sys.argv[1]).read()
rows = []


def first(pattern, kind=float):
    found = re.search(pattern, text, re.M)
    return [kind(group) for group in found.groups()] if found else None


def add(bar, what, measured, limit, reached):
    rows.append((bar, what, measured, limit, "reached" if reached else "**missed**"))


def at_least(bar, what, found, limit):
    if found:
        add(bar, what, f"{found[0]:.2f}", f">= {limit}", found[0] >= limit)


many = first(r"^P1 in-flight=64 .*?ratio=([\d.]+)")
at_least("P1", "`GenerateDataKey`, 64 in flight, against the unary echo", many, 0.35)
one = first(r"^P1 in-flight=1 .*?echo-p99=(\d+)us.*?data-key-p99=(\d+)us.*?lone-commit-p99=(\d+)us")
if one:
    echo, key, commit = one
    add("P1", "p99 with one in flight", f"{key / 1000:.1f} ms", f"<= {(echo + 2 * commit) / 1000:.1f} ms (echo + 2 lone commits)", key <= echo + 2 * commit)
token = re.findall(r"^\| ([^|]+) \|(?: [^|]+\|){4} ([\d.]+) \| ([\d.]+) \|$", text, re.M)
ours = [row for row in token if "GenerateDataKeysAsync" in row[0] or "service" in row[0].lower() or "product" in row[0].lower()]
if token:
    name, cpu, wall = (ours or token)[-1]
    add("P2", f"`GenerateDataKeys` of 1,000 at the token ({name.strip()}), against a C loop", f"{cpu} by CPU, {wall} by wall", ">= 0.8", float(cpu) >= 0.8)
for what in ("encrypt", "decrypt"):
    at_least("P3", f"`{what.capitalize()}Batch` of 1,000, against a one-core loop", first(rf"^P3 {what} .*?ratio=([\d.]+)"), 0.4)
# | size | bare | into memory | encrypt | decrypt | bare/into | bare/encrypt | bare/decrypt | bytes |
sdk = re.search(r"^P4 \| 100 \|(.*)\|$", text, re.M)
if sdk:
    cells = [cell.strip() for cell in sdk.group(1).split("|")]
    ratio = float(cells[4].split()[0])
    add("P4", "fields of 100 B by the SDK, leased key, against the bare cipher; bytes beyond the result", f"{ratio:.2f}; {cells[7]} B", ">= 0.9; 0 B", ratio >= 0.9 and cells[7] == "0")
for way, limit, peer in (("unix socket", 0.75, "C++ gRPC echo without encryption"), ("TLS", 0.7, "SslStream echo")):
    for what in ("encrypting", "decrypting"):
        found = first(rf"^P5 {way}: {what} stream .*?ratio=([\d.]+) .*?by CPU time ([\d.]+)")
        if found:
            add("P5", f"{what} stream, {way}, against {peer}", f"{found[0]:.2f} ({found[1]:.2f} by CPU time)", f">= {limit}", found[0] >= limit)
for work, limit in (("encrypt-file", 1.5), ("decrypt-file", 1.5), ("encrypt-pipe", 1.15), ("decrypt-pipe", 1.15)):
    at_least("P6", f"`keyservice`, {work}, against age", first(rf"^P6 {work}: ([\d.]+) x age"), limit)
peaks = [int(peak) for peak in re.findall(r"^P6 keyservice-\w+-file: .*?peak=(\d+)MiB", text, re.M)]
if peaks:
    add("P6", "memory of the command", f"{max(peaks)} MiB", "< 143 MiB (150 MB)", max(peaks) * 1.048576 < 150)
for name in ("pg_dump -Fc (compressed)", "pg_dump -Fp (plain text)", "EHR workload"):
    found = re.search(rf"^P7 {re.escape(name)}: added CPU time ([+-][\d.]+) % \(mean ([^)]*)\), wall time ([+-][\d.]+) % \(mean ([^)]*)\)", text, re.M)
    if found:
        cpu, cpu_interval, wall, wall_interval = found.groups()
        add("P7", f"{name}: added CPU time; wall time", f"{cpu} % (95 %: {cpu_interval}); {wall} % ({wall_interval})", "<= 3 % of CPU", float(cpu) <= 3)
found = first(r"^P8 group commit callers=2000: .*?ratio=([\d.]+)")
at_least("P8", "audit records by group commit, against one session's COPY of the same bytes at the same batch", found, 0.7)
at_least("P8", "verification of the log out of the database, against a bare loop hashing the same bytes", first(r"^P8 verification: .*?ratio=([\d.]+)"), 0.5)
for what, words in (("create", "create a key"), ("list a page of 100", "list a page of 100 keys"), ("rotate", "rotate a key"), ("look up", "look a key up")):
    found = first(rf"^P9 {what}: .*?ratio=([\d.]+)")
    if found:
        add("P9", f"{words}, 1,000,000 keys and 10,000,000 versions against 1,000 keys", f"{found[0]:.2f}", "<= 1.5", found[0] <= 1.5)
started = first(r"^P9 start: .*?protect=([\d.]+)s")
if started:
    add("P9", "from the start until the first key can protect, 1,000,000 keys", f"{started[0]:.2f} s", "< 2 s", started[0] < 2)
memory = first(r"^P10 .*?median=(\d+)MiB peak=(\d+)MiB", int)
if memory:
    add("P10", f"resident memory of the server, 64 calls and 16 streams (peak {memory[1]} MiB)", f"{memory[0]} MiB", "< 286 MiB (300 MB)", memory[0] * 1.048576 < 300)

print("| Bar | What | Measured | Bar | |\n|---|---|---|---|---|")
for row in rows:
    print("| " + " | ".join(row) + " |")
