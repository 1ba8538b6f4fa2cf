# Sourced by perf/run.sh: a PostgreSQL of its own on a Unix socket, durable as it comes. Sets pg_dir, pg_pid, pg_bin; pg_stop ends it.
# shellcheck shell=bash
pg_start() {
  # A quarter of the memory, as PostgreSQL's manual (section 20.4.1) begins with.
  local buffers=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 4096))MB
  pg_bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1)")
  pg_dir=$(mktemp -d /tmp/keyservice-pg.XXXXXX)
  local as=()
  # PostgreSQL refuses to run as root.
  if [ "$(id -u)" -eq 0 ]; then
    local user=postgres
    id -u postgres >/dev/null 2>&1 || user=nobody
    chown "$user" "$pg_dir"
    as=(setpriv --reuid "$user" --clear-groups --)
  fi
  (cd / && "${as[@]}" "$pg_bin/initdb" -D "$pg_dir/data" -U perf -A trust -E UTF8 --locale=C >"$pg_dir.log" 2>&1)
  (cd / && exec "${as[@]}" "$pg_bin/postgres" -D "$pg_dir/data" -k "$pg_dir" -c listen_addresses= -c shared_buffers="$buffers" -c max_wal_size=4GB >>"$pg_dir.log" 2>&1) & pg_pid=$!
  for _ in $(seq 100); do "$pg_bin/psql" -h "$pg_dir" -U perf -d postgres -c '' >/dev/null 2>&1 && break; sleep 0.2; done
}

pg_sql() { "$pg_bin/psql" -h "$pg_dir" -U perf -q -v ON_ERROR_STOP=1 -d "$1" -c "$2" >/dev/null; }

pg_stop() {
  [ -n "${pg_pid:-}" ] || return 0
  kill -INT "$pg_pid" 2>/dev/null || true
  wait "$pg_pid" 2>/dev/null || true
  rm -rf "$pg_dir" "$pg_dir.log"
}
