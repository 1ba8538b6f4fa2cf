#!/usr/bin/env bash
# P7: pg_dump into a file against `keyservice encrypt -- pg_dump`, in pairs. CPU time of pg_dump, its backend, the command and the service.
# Needs KEYSERVICE_PROFILE; KEYSERVICE (default ./keyservice), KEY (default perf/load).
# Usage: perf/pg-dump.sh SERVER-PID SOCKET-DIRECTORY POSTMASTER-PID PG-BIN DATABASE [PAIRS=5]
set -euo pipefail
server=$1 host=$2 postmaster=$3 bin=$4 database=$5 pairs=${6:-5}
keyservice=${KEYSERVICE:-./keyservice} key=${KEY:-perf/load}
work=$(mktemp -d "${TMPDIR:-/tmp}/keyservice-perf.XXXXXX")
trap 'rm -rf "$work"' EXIT
# CPU seconds of the service, and of PostgreSQL with the backends that it has seen end.
elsewhere() { cat "/proc/$server/stat" "/proc/$postmaster/stat" | awk '{ sub(/.*\) /, ""); s += $12 + $13; if (NR == 2) s += $14 + $15 } END { print s / 100 }'; }
# FORMAT KIND: one run; the row is KIND, wall, CPU.
measure() {
  local format=$1 kind=$2 before wall user sys
  local dump=("$bin/pg_dump" -h "$host" -U perf "-F$format" "$database")
  before=$(elsewhere)
  if [ "$kind" = plain ]; then
    /usr/bin/time -f "%e %U %S" -o "$work/time" "${dump[@]}" -f "$work/out"
  else
    /usr/bin/time -f "%e %U %S" -o "$work/time" "$keyservice" --quiet encrypt --force --key "$key" -o "$work/archive" -- "${dump[@]}"
  fi
  read -r wall user sys <"$work/time"
  # The backend is counted when the postmaster has waited for it, which is a moment later.
  sleep 0.2
  echo "$format $kind $wall $(awk -v a="$user" -v b="$sys" -v e="$(elsewhere)" -v f="$before" 'BEGIN { print a + b + e - f }') $(stat -c %s "$work/out")" >>"$work/rows"
}
for format in c p; do
  measure $format plain; measure $format encrypted
  sed -i '$d' "$work/rows"; sed -i '$d' "$work/rows" # Warmed up.
  for pair in $(seq "$pairs"); do
    if [ $((pair % 2)) -eq 1 ]; then measure $format plain; measure $format encrypted; else measure $format encrypted; measure $format plain; fi
  done
done
# What was measured is also looked at: the last archive opens and ends as a dump ends.
"$keyservice" --quiet decrypt "$work/archive" | tail -n 5 >"$work/end"
grep -q 'PostgreSQL database dump complete' "$work/end"
python3 - "$work/rows" "$pairs" <<'P'
import math, statistics, sys
rows = {}
for line in open(sys.argv[1]):
    form, kind, wall, cpu, size = line.split()
    rows.setdefault((form, kind), []).append((float(wall), float(cpu), int(size)))
def interval(values):
    mean = statistics.mean(values)
    error = 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{100 * (mean - error):+.1f} to {100 * (mean + error):+.1f} %"
for form, name in (("c", "pg_dump -Fc (compressed)"), ("p", "pg_dump -Fp (plain text)")):
    pairs = list(zip(rows[form, "plain"], rows[form, "encrypted"]))
    cpu = [e[1] / p[1] - 1 for p, e in pairs]
    wall = [e[0] / p[0] - 1 for p, e in pairs]
    base = statistics.median(p[1] for p, _ in pairs)
    print(f"P7 {name}: added CPU time {100 * statistics.median(cpu):+.1f} % (mean {interval(cpu)}), wall time {100 * statistics.median(wall):+.1f} % "
          f"(mean {interval(wall)}); without {base:.2f} CPU-s, {pairs[0][0][2] / 1e6:.0f} MB, pairs={len(pairs)}")
P
