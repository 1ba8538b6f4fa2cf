#!/usr/bin/env bash
# Measures the bars P1 to P10 on this machine, peers in the same run, prints one line a figure and at the end the table. About 20 minutes;
# --quick for a look. What is printed is kept in artifacts/perf/DATE.txt.
#
#   perf/run.sh [--quick] [--everything] [--postgres] [BAR]...
#                      all bars, or those named: P1 P2 P3 P4 P5 P6 P7 P8 P9 P10; and, only by name, search (the audit log's search up to
#                      20 million records, half an hour and 12 GB of disk) and month (how much audit log is borne)
#   --everything       the service with sinks, detection, checkpoints pushed and quotas counted; P8 with the log followed as they do
#   --postgres         the service's store is a PostgreSQL of this script's own
#                      (both begin a service of their own: only where there is no .dev yet)
#
# Starts the service by quickstart.sh, so nothing else may serve from this directory meanwhile. Beside what test.sh installs it needs, for P5,
# Debian's g++ pkg-config libgrpc++-dev protobuf-compiler protobuf-compiler-grpc; a bar whose peer cannot be built is said to be missing.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=perf/postgres.sh
. perf/postgres.sh
rounds=5 seconds=3 mib=2048 bulk=1024 pairs=8 transactions=8000 rows=1200000 keys=1000000 records=20000000
bars=() everything=no on_postgres=no
for argument in "$@"; do
  case $argument in
    --quick) rounds=3 seconds=1 mib=256 bulk=256 pairs=3 transactions=2000 rows=100000 keys=50000 records=1000000 ;;
    --everything) everything=yes ;;
    --postgres) on_postgres=yes ;;
    P[0-9]*|search|month) bars+=("$argument") ;;
    *) echo "Unknown argument: $argument" >&2; exit 2 ;;
  esac
done
[ ${#bars[@]} -gt 0 ] || bars=(P1 P2 P3 P4 P5 P6 P7 P8 P9 P10)
wanted() { [[ " ${bars[*]} " == *" $1 "* ]]; }

mkdir -p artifacts/perf
report=artifacts/perf/$(date -u +%FT%H%M%SZ).txt
exec > >(tee "$report") 2>&1
echo "# $(date -u +%FT%TZ) commit=$(git rev-parse --short HEAD 2>/dev/null || echo none) cores=$(nproc) cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1) dotnet=$(dotnet --version) openssl=$(openssl version | cut -d' ' -f2) load=$(cut -d' ' -f1 /proc/loadavg) rounds=$rounds seconds=$seconds"
echo "# perf/run.sh $*"

build() { dotnet build -c Release -v quiet --nologo "$1" >/dev/null; }
build perf/KeyService.Load
build perf/KeyService.Benchmarks
load() { dotnet artifacts/bin/KeyService.Load/release/KeyService.Load.dll "$@"; }
benchmark() { dotnet artifacts/bin/KeyService.Benchmarks/release/KeyService.Benchmarks.dll "$@"; }

state=${KEYSERVICE_DEV:-$PWD/.dev}
pids=()
finish() {
  for p in "${pids[@]}"; do pkill -P "$p" 2>/dev/null || true; kill "$p" 2>/dev/null || true; done
  pg_stop
}
trap finish EXIT
mkdir -m 700 -p "$state"
configured() {
  [ ! -e "$state/server.json" ] || { echo "$state is there already: --everything and --postgres begin a service of their own. Move it away." >&2; exit 2; }
  local store='"sqlite": "keyservice.db"' more=''
  if [ $on_postgres = yes ]; then
    pg_start
    pg_sql postgres 'CREATE DATABASE service'
    store="\"postgres\": { \"host\": \"$pg_dir\", \"database\": \"service\", \"user\": \"perf\" }"
  fi
  if [ $everything = yes ]; then
    mkdir -p "$state/copies" "$state/checkpoints"
    more='"sinks": { "directories": [{ "name": "copies", "directory": "copies", "fileSeconds": 60 }] }, "detection": {},
  "audit": { "checkpoints": [{ "name": "held", "directory": "checkpoints" }] },'
  fi
  cat >"$state/server.json" <<JSON
{
  "profile": "development",
  "dataDirectory": ".",
  "listen": { "tcp": "127.0.0.1:8443", "unixSocket": "$state/keyservice.sock" },
  "tls": { "certificate": "pki/server.crt", "privateKey": "pki/server.key", "clientCa": "pki/ca.crt" },
  "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "keyservice-development", "pinFile": "pin" },
  $more
  "store": { $store },
  "telemetry": { "otlpEndpoint": null }
}
JSON
}
[ $everything = no ] && [ $on_postgres = no ] || configured
./quickstart.sh >"$state/perf.log" 2>&1 & pids+=($!)
for _ in $(seq 600); do [ -S "$state/keyservice.sock" ] && ./keyservice status >/dev/null 2>&1 && break; sleep 0.5; done
# The main job of quickstart.sh would run beside the first measurement.
for _ in $(seq 600); do grep -q 'Three things to try' "$state/perf.log" && break; sleep 0.5; done
server=$(pgrep -f "KeyService.Server serve --config $state/server.json" | head -n 1)
./keyservice key create perf/load >/dev/null 2>&1 || true
if [ $everything = yes ]; then
  # Counted, and far away: each call goes through the books.
  for user in database backup; do
    for id in $(./keyservice grant list --principal $user --json | sed 's/.*"id":"\([0-9a-f]*\)".*/\1/'); do ./keyservice grant revoke "$id" >/dev/null; done
    ./keyservice grant create $user --key '*' --role data-user --quota calls/day=1000000000 --quota bytes/day=1000000000000000 >/dev/null
  done
fi
database=$state/profiles/database.json backup=$state/profiles/backup.json local=$state/profiles/local.json
export KEYSERVICE_PROFILE=$backup

# NAME COMMAND...: a bar that cannot be measured says so, and the others go on.
bar() {
  local name=$1; shift
  wanted "$name" || return 0
  "$@" || echo "$name: not measured, $1 ended with code $?"
}

echo_server() {
  load echo-server --certificate "$state/pki/server.crt" --private-key "$state/pki/server.key" >/dev/null & pids+=($!)
  sleep 2
}
p1() { echo_server; load data-keys --profile "$database" --rounds "$rounds" --seconds "$seconds" --disk "$state"; }
# At the token, without a service around it, against perf/c/hsm_loop.c; then through the service.
p2() {
  benchmark hsm-data-keys $((rounds * 5))
  load many-data-keys --profile "$database" --server-pid "$server" --rounds "$rounds" --seconds "$seconds"
}
p3() { load batches --profile "$database" --rounds "$rounds" --seconds "$seconds"; }
p4() { benchmark sdk-fields | sed "s/^|/P4 |/"; }
p5() {
  perf/cpp/build.sh artifacts/perf-cpp &&
    load bulk-unix --profile "$local" --cpp-echo artifacts/perf-cpp/echo --server-pid "$server" --rounds "$rounds" --mebibytes "$bulk"
  load tls-echo-server --certificate "$state/pki/server.crt" --private-key "$state/pki/server.key" --port 8554 >/dev/null &
  local echo=$!
  pids+=($echo)
  sleep 2
  # dotnet runs the driver in its own process: what the shell started is what listens.
  load bulk-tls --profile "$backup" --port 8554 --echo-pid "$(pgrep -P $echo -f tls-echo-server || echo $echo)" --server-pid "$server" --rounds "$rounds" --mebibytes $((bulk / 2))
}
p6() { perf/files.sh "$mib" "$rounds"; }
p7() {
  pg_start && pg_sql postgres 'CREATE DATABASE dump' && pg_sql postgres 'CREATE DATABASE ehr' || return
  # Records of some 350 bytes: numbers, dates, words and a document, no two alike.
  pg_sql dump "CREATE TABLE records AS SELECT n AS id, n % 5000 AS patient, timestamp '2020-01-01' + n * interval '7 minutes' AS at,
    md5(n::text) AS token, (ARRAY['discharge','laboratory','radiology','referral'])[1 + n % 4] AS kind,
    jsonb_build_object('value', (n::bigint * 7919) % 1000, 'unit', 'mmol/l', 'note', md5((n * 3)::text) || ' ' || md5((n * 5)::text), 'by', md5((n % 300)::text)) AS document
    FROM generate_series(1, $rows) n" || return
  perf/pg-dump.sh "$server" "$pg_dir" "$pg_pid" "$pg_bin" dump $(((pairs + 1) / 2))
  load ehr --profile "$database" --postgres "Host=$pg_dir;Username=perf;Database=ehr" --postmaster-pid "$pg_pid" --server-pid "$server" --rounds "$pairs" --transactions "$transactions"
}
p8() {
  [ -n "${pg_pid:-}" ] || pg_start || return
  pg_sql postgres 'CREATE DATABASE audit' || return
  benchmark postgres-audit "$pg_dir" perf audit "$rounds"
}
p9() {
  [ -n "${pg_pid:-}" ] || pg_start || return
  pg_sql postgres 'CREATE DATABASE few' && pg_sql postgres 'CREATE DATABASE many' || return
  benchmark keys-at-size "$pg_dir" perf few many "$keys" "$rounds"
}
search() {
  [ -n "${pg_pid:-}" ] || pg_start || return
  pg_sql postgres 'CREATE DATABASE search' || return
  benchmark audit-search "$pg_dir" perf search "$records" "$rounds"
}
month() { PSQL=${pg_bin:+$pg_bin/psql} perf/audit_month.py $((seconds * 20)) "$state/server.json" dotnet artifacts/bin/KeyService.Load/release/KeyService.Load.dll records --profile "$database"; }
p10() { load memory --profile "$backup" --server-pid "$server" --seconds $((seconds * 4)); }

bar P1 p1
bar P2 p2
bar P3 p3
bar P4 p4
bar P5 p5
bar P6 p6
bar P7 p7
bar P8 p8
bar P9 p9
bar P10 p10
bar search search
bar month month
echo "# $(date -u +%FT%TZ) load=$(cut -d' ' -f1 /proc/loadavg)"
sleep 0.5
python3 perf/table.py "$report"
