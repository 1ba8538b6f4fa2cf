#!/usr/bin/env bash
# Measures the bars P1, P2, P3, P6 and P10 on this machine and prints one line a figure. Bounded: about ten minutes.
# Starts the service by quickstart.sh, so nothing else may serve from this directory meanwhile.
# Usage: perf/run.sh [--quick]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=5 seconds=3 mib=2048
[ "${1:-}" = --quick ] && { rounds=3; seconds=1; mib=256; }
echo "# $(date -u +%FT%TZ) cores=$(nproc) cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1) dotnet=$(dotnet --version) openssl=$(openssl version | cut -d' ' -f2) rounds=$rounds seconds=$seconds"
dotnet build -c Release -v quiet --nologo perf/KeyService.Load >/dev/null
load() { dotnet artifacts/bin/KeyService.Load/release/KeyService.Load.dll "$@"; }

state=${KEYSERVICE_DEV:-$PWD/.dev}
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done' EXIT
mkdir -m 700 -p "$state"
./quickstart.sh >"$state/perf.log" 2>&1 & pids+=($!)
for _ in $(seq 600); do [ -S "$state/keyservice.sock" ] && ./keyservice status >/dev/null 2>&1 && break; sleep 0.5; done
server=$(pgrep -f "KeyService.Server serve --config $state/server.json" | head -n 1)
./keyservice key create perf/load >/dev/null 2>&1 || true
load echo-server --certificate "$state/pki/server.crt" --private-key "$state/pki/server.key" >/dev/null & pids+=($!)
sleep 2

load data-keys --profile "$state/profiles/database.json" --rounds "$rounds" --seconds "$seconds" --disk "$state"
# P2 at the token, without a service around it: against perf/c/hsm_loop.c on a token of its own.
dotnet build -c Release -v quiet --nologo perf/KeyService.Benchmarks >/dev/null
dotnet artifacts/bin/KeyService.Benchmarks/release/KeyService.Benchmarks.dll hsm-data-keys $((rounds * 5))
load many-data-keys --profile "$state/profiles/database.json" --server-pid "$server" --rounds "$rounds" --seconds "$seconds"
load batches --profile "$state/profiles/database.json" --rounds "$rounds" --seconds "$seconds"
load streams --profile "$state/profiles/backup.json" --mebibytes "$mib"
load memory --profile "$state/profiles/backup.json" --server-pid "$server" --seconds $((seconds * 4))
KEYSERVICE_PROFILE=$state/profiles/backup.json perf/files.sh "$mib" "$rounds"
