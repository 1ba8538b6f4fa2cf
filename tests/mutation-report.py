#!/usr/bin/python3
"""The table of what tests/mutation.sh measured: mutation-report.py REPORTS EXCLUSIONS. Exit code 1 below 85 % without exclusions."""

import collections
import json
import pathlib
import sys

GOAL = 85.0
DETECTED, UNDETECTED = ("Killed", "Timeout"), ("Survived", "NoCoverage")


def reports(root):
    """The newest report of every folder."""
    for found in sorted(pathlib.Path(root).glob("*/reports/mutation-report.json")):
        yield json.loads(found.read_text("utf-8"))["files"]


def mutants(root):
    for files in reports(root):
        for path, file in files.items():
            name = path.replace("\\", "/").split("src/KeyService.Crypto/")[-1]
            lines = file["source"].split("\n")
            for mutant in file["mutants"]:
                if mutant["status"] in DETECTED + UNDETECTED:
                    yield name, lines[mutant["location"]["start"]["line"] - 1].strip(), mutant


def reason(exclusions, name, line, mutant):
    """Why this survivor is no gap in the tests, or None."""
    for entry in exclusions:
        if entry["file"] in ("*", name) and entry["line"] in line and entry.get("becomes", "") in mutant.get("replacement", ""):
            if mutant["mutatorName"].startswith(entry.get("mutator", "")):
                return entry["reason"]
    return None


def score(detected, all_):
    return 100.0 * detected / all_ if all_ else 100.0


def main(root, exclusions_file):
    exclusions = json.loads(pathlib.Path(exclusions_file).read_text("utf-8"))["exclusions"]
    folders, survivors = collections.defaultdict(collections.Counter), []
    for name, line, mutant in mutants(root):
        count = folders[name.split("/")[0]]
        count[mutant["status"]] += 1
        if mutant["status"] in UNDETECTED:
            why = reason(exclusions, name, line, mutant)
            count["excluded"] += why is not None
            if why is None:
                survivors.append(f'{name}:{mutant["location"]["start"]["line"]} {mutant["mutatorName"]}: {line[:110]}  =>  {mutant.get("replacement", "")[:70]}')
    print("| Folder | killed | timeout | survived | no coverage | score | equivalent or out of reach | score without these |")
    print("|---|---|---|---|---|---|---|---|")
    total = collections.Counter()
    for folder, count in sorted(folders.items()):
        total.update(count)
        print(row(folder, count))
    print(row("**all**", total))
    if "-q" not in sys.argv:
        print("\n".join(["", "Undetected and not excluded:"] + survivors))
    detected = sum(total[status] for status in DETECTED)
    return 0 if score(detected, detected + sum(total[status] for status in UNDETECTED)) >= GOAL else 1


def row(folder, count):
    detected = sum(count[status] for status in DETECTED)
    everything = detected + sum(count[status] for status in UNDETECTED)
    return (f'| {folder} | {count["Killed"]} | {count["Timeout"]} | {count["Survived"]} | {count["NoCoverage"]} | {score(detected, everything):.1f} % '
            f'| {count["excluded"]} | {score(detected, everything - count["excluded"]):.1f} % |')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
