#!/usr/bin/env python3
"""How much audit log the service bears: an EHR's load for a while, then how long each follower of the log needs for what it lacks, then the month's
archive as operations.md makes it (export, encrypt, verify). Everything against 50 GB of canonical records a month of 30 days.

    perf/audit_month.py SECONDS SERVER-CONFIG LOAD-COMMAND...      in the project's folder, while quickstart.sh serves
"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

seconds, config, load = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
settings = json.load(open(config))
store, configured = settings["store"], "sinks" in settings
# ./keyservice takes the profile that fits the command.
os.environ.pop("KEYSERVICE_PROFILE", None)
SEGMENT = 16384  # docs/spec/audit-index.md
MONTH, GB = 30 * 86400, 1e9


def look(sql):
    """One value out of the store, read beside the service; None when there is no row."""
    if "sqlite" in store:
        path = os.path.join(os.path.dirname(config), store["sqlite"])
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            row = connection.execute(sql).fetchone()
        return row and row[0]
    at = store["postgres"]
    command = [os.environ.get("PSQL", "psql"), "-h", at["host"], "-U", at["user"], "-d", at["database"], "-Atc", sql]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PGOPTIONS": "-c search_path=keyservice"}).stdout.strip()
    return found or None


def ask(sql):
    return int(look(sql) or 0)


def bytes_of_store():
    return ask("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()" if "sqlite" in store else "SELECT pg_database_size(current_database())")


def head():
    return ask("SELECT coalesce(max(sequence), -1) + 1 FROM audit_records WHERE slot = 0")


def detected():
    """The position of slot 0: 4 bytes of slot, 8 of the first record that was not looked at."""
    found = look("SELECT hex(positions) FROM detection_state" if "sqlite" in store else "SELECT encode(positions, 'hex') FROM detection_state")
    return found and int(found[8:24], 16)


def sinks():
    # Exit code 5 says that a sink takes nothing; it is on its way here.
    out = subprocess.run(["./keyservice", "audit", "sinks", "--json"], capture_output=True, text=True).stdout
    return [json.loads(line)["positions"] for line in out.splitlines()]


def reached(number):
    """Which followers have everything before a record."""
    positions = [int(part.split("/")[1]) for sink in sinks() for part in sink.split() if part.startswith("0/")]
    return {
        "sinks": min(positions, default=0) >= number or not configured,
        "detection": (detected() or 0) >= number or "detection" not in settings,
        "index": ask("SELECT coalesce(max(segment), -1) + 1 FROM audit_segments WHERE slot = 0") >= number // SEGMENT,
        "checkpoint": ask("SELECT coalesce(max(size), 0) FROM audit_checkpoints WHERE log = 0") >= number,
    }


before, size = head(), bytes_of_store()
begun = time.monotonic()
print(subprocess.run([*load, "--seconds", str(seconds)], check=True, capture_output=True, text=True).stdout.strip(), flush=True)
took = time.monotonic() - begun
after = head()
records = after - before
waiting, ended = {"sinks", "detection", "index", "checkpoint"}, time.monotonic()
while waiting and time.monotonic() - ended < 600:
    for name, done in reached(after).items():
        if done and name in waiting:
            waiting.discard(name)
            print(f"month follower={name}: has all {records:,} records {time.monotonic() - ended:.1f} s after the load's end", flush=True)
    time.sleep(0.5)
for name in waiting:
    print(f"month follower={name}: NOT caught up after 10 minutes")
grown = bytes_of_store() - size

folder = tempfile.mkdtemp(prefix="month-", dir=os.path.dirname(os.path.abspath(config)))
try:
    export, archive = os.path.join(folder, "log"), os.path.join(folder, "log.ksa")

    def timed(*command):
        begun = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        return time.monotonic() - begun

    steps = {
        "export": timed("./keyservice", "audit", "export", export),
        "encrypt": timed("./keyservice", "encrypt", "--key", "perf/load", "-o", archive, "--", "tar", "c", "-C", folder, "log"),
        "verify": timed("./keyservice", "audit", "verify", export),
    }
    logged = sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(os.path.join(export, "slot", "0", "tile", "records")) for name in names)
    total = head() if not records else after
    each = logged / max(total, 1)
    needed = 50 * GB / each / MONTH
    rate = records / took
    print(f"month records={records:,} in {took:.0f} s: {rate:,.0f}/s; {each:.0f} bytes a record, {grown / max(records, 1):.0f} in the store with its index")
    print(f"month load: 50 GB a month are {50 * GB / each / 1e6:,.0f} million records, {needed:.0f}/s on average; borne {rate / needed:.0f} times that")
    for name, span in steps.items():
        print(f"month {name}: {logged / 1e6:,.0f} MB in {span:.1f} s, {logged / 1e6 / span:.0f} MB/s; 50 GB in {50 * GB / (logged / span) / 60:.0f} minutes")
finally:
    shutil.rmtree(folder)
