#!/usr/bin/env bash
# P6: `keyservice encrypt` and `decrypt` of one file, to /dev/null and through a pipe, beside age, gpg and openssl in the same run.
# Needs a running service and a profile: KEYSERVICE_PROFILE; the command: KEYSERVICE (default ./keyservice).
# Usage: perf/files.sh [MIB=2048] [ROUNDS=5]
set -euo pipefail
mib=${1:-2048} rounds=${2:-5}
keyservice=${KEYSERVICE:-./keyservice} key=${KEY:-perf/load}
work=$(mktemp -d "${TMPDIR:-/tmp}/keyservice-perf.XXXXXX")
trap 'rm -rf "$work"' EXIT
head -c "$((mib * 1024 * 1024))" /dev/urandom >"$work/plain"
age-keygen -o "$work/age.key" 2>/dev/null
recipient=$(age-keygen -y "$work/age.key")
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$work/passphrase"
"$keyservice" --quiet encrypt --key "$key" -o "$work/plain.ksa" "$work/plain"
age -r "$recipient" -o "$work/plain.age" "$work/plain"
"$keyservice" --quiet decrypt "$work/plain.ksa" | cmp - "$work/plain"

# seconds of one command: wall clock, and the peak memory of the largest process
timed() {
  local name=$1; shift
  /usr/bin/time -f "%e %U %S %M" -o "$work/time" "$@" >/dev/null
  read -r wall user sys kib <"$work/time"
  printf '%s %s %s %s %s\n' "$name" "$wall" "$user" "$sys" "$kib" >>"$work/rows"
}
for _ in $(seq "$rounds"); do
  timed keyservice-encrypt-file "$keyservice" --quiet encrypt --key "$key" -o /dev/stdout "$work/plain"
  timed age-encrypt-file age -r "$recipient" "$work/plain"
  timed keyservice-decrypt-file "$keyservice" --quiet decrypt "$work/plain.ksa"
  timed age-decrypt-file age -d -i "$work/age.key" "$work/plain.age"
  timed keyservice-encrypt-pipe bash -c "cat '$work/plain' | '$keyservice' --quiet encrypt --key '$key' | cat"
  timed age-encrypt-pipe bash -c "cat '$work/plain' | age -r '$recipient' | cat"
  timed keyservice-decrypt-pipe bash -c "cat '$work/plain.ksa' | '$keyservice' --quiet decrypt | cat"
  timed age-decrypt-pipe bash -c "cat '$work/plain.age' | age -d -i '$work/age.key' | cat"
  timed openssl-ctr-encrypt-file openssl enc -aes-256-ctr -pbkdf2 -pass "file:$work/passphrase" -in "$work/plain"
done
if command -v gpg >/dev/null; then
  GNUPGHOME=$work/gnupg; export GNUPGHOME; mkdir -m 700 "$GNUPGHOME"
  timed gpg-encrypt-file gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$work/passphrase" --symmetric --cipher-algo AES256 --compress-algo none -o - "$work/plain"
  gpgconf --kill gpg-agent || true
fi
python3 - "$work/rows" "$mib" <<'P'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    name, wall, user, system, kib = line.split()
    rows.setdefault(name, []).append((float(wall), float(user) + float(system), int(kib) / 1024))
mb = int(sys.argv[2]) * 1.048576
median = lambda name, i: statistics.median(r[i] for r in rows[name])
for name in rows:
    print(f"P6 {name}: wall={median(name, 0):.2f}s rate={mb / median(name, 0):.0f}MB/s cpu={median(name, 1):.2f}s peak={max(r[2] for r in rows[name]):.0f}MiB runs={len(rows[name])}")
for work in ("encrypt-file", "decrypt-file", "encrypt-pipe", "decrypt-pipe"):
    ratios = [a[0] / k[0] for k, a in zip(rows["keyservice-" + work], rows["age-" + work])]
    print(f"P6 {work}: {statistics.median(ratios):.2f} x age")
P
