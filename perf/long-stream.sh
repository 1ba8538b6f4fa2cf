#!/usr/bin/env bash
# A stream of any length through the service and back, in a pipe, with the memory of all three processes: flat, or it fails.
# (Flat: from the half to three quarters none grows by more than 64 MiB; the first quarter fills pools.)
#   KEYSERVICE_PROFILE, KEYSERVICE (default ./keyservice), KEY (default perf/load); perf/long-stream.sh SERVER-PID [MIB=20480]
set -euo pipefail
server=$1 mib=${2:-20480}
keyservice=${KEYSERVICE:-./keyservice} key=${KEY:-perf/load}
work=$(mktemp -d "${TMPDIR:-/tmp}/keyservice-stream.XXXXXX")
trap 'rm -rf "$work"' EXIT
resident() { awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$1/status" 2>/dev/null || true; }
cpu() { awk '{ sub(/.*\) /, ""); printf "%.1f", ($12 + $13) / 100 }' "/proc/$1/stat"; }
mkfifo "$work/plain" "$work/archive" "$work/back"
before=$(cpu "$server") started=$SECONDS
head -c "${mib}M" /dev/zero >"$work/plain" & feed=$!
"$keyservice" --quiet encrypt --remote --key "$key" -o - <"$work/plain" >"$work/archive" 2>"$work/encrypt.log" & sealing=$!
"$keyservice" --quiet decrypt --remote <"$work/archive" >"$work/back" 2>"$work/decrypt.log" & opening=$!
sha256sum <"$work/back" >"$work/digest" & digesting=$!
# What goes through the pipe counts on: bytes that the feeding process has written.
fed() { awk '/^wchar/ { print $2 }' "/proc/$feed/io" 2>/dev/null || true; }
for quarter in 1 2 3; do
  while kill -0 "$feed" 2>/dev/null && [ "$(fed || echo 0)" -lt $((mib * quarter * 262144)) ]; do sleep 0.2; done
  kill -0 "$opening" || { cat "$work"/*.log >&2; exit 1; }
  echo "$quarter $(resident "$sealing") $(resident "$opening") $(resident "$server")" | tee -a "$work/rows" |
    awk '{ printf "stream: %d/4: encrypt %d MiB, decrypt %d MiB, server %d MiB\n", $1, $2, $3, $4 }'
done
wait "$feed"; wait "$sealing"; wait "$opening"; wait "$digesting"
expected=$(head -c "${mib}M" /dev/zero | sha256sum | cut -d' ' -f1)
[ "$(cut -d' ' -f1 "$work/digest")" = "$expected" ] || { echo "stream: it did not come back as it was" >&2; exit 1; }
awk -v mib="$mib" -v seconds=$((SECONDS - started)) -v cpu="$(cpu "$server")" -v before="$before" '
  { for (i = 2; i <= 4; i++) { if (NR == 2) half[i] = $i; if ($i > most[i]) most[i] = $i; last[i] = $i } }
  END {
    printf "stream: %d MiB there and back, %d s with the check, server CPU %.1f s; most resident: encrypt %d, decrypt %d, server %d MiB\n", mib, seconds, cpu - before, most[2], most[3], most[4]
    for (i = 2; i <= 4; i++) if (last[i] > half[i] + 64) { print "stream: memory grows with the length"; exit 1 }
  }' "$work/rows"
