#!/usr/bin/env bash
# Makes a SoftHSM token for development and tests, or keeps the one that stands there.
#
#   hsm-sim/softhsm-token.sh DIRECTORY LABEL
#
# DIRECTORY then holds: softhsm2.conf (give it to the server as SOFTHSM2_CONF), tokens/, pin and so-pin (mode 0600).
# The PINs are random and reach softhsm2-util over a terminal of its own: an argument list is readable for every user.
set -euo pipefail
umask 077

[ $# -eq 2 ] || { echo "usage: $0 DIRECTORY LABEL" >&2; exit 2; }
label=$2
mkdir -p "$1/tokens"
directory=$(cd "$1" && pwd)

command -v softhsm2-util >/dev/null || { echo "softhsm2-util is missing: apt-get install softhsm2" >&2; exit 1; }

export SOFTHSM2_CONF=$directory/softhsm2.conf
cat > "$SOFTHSM2_CONF" <<CONF
directories.tokendir = $directory/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
CONF

if [ -s "$directory/pin" ] && softhsm2-util --show-slots | grep -qE "^ *Label: +$label *$"; then
  exit 0
fi

random_pin() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
so_pin=$(random_pin)
pin=$(random_pin)
printf '%s' "$so_pin" > "$directory/so-pin"
printf '%s' "$pin" > "$directory/pin"

# softhsm2-util asks for each PIN twice and wants a terminal to ask on.
if ! printf '%s\n' "$so_pin" "$so_pin" "$pin" "$pin" |
    script -qec "softhsm2-util --init-token --free --label '$label'" /dev/null >/dev/null; then
  echo "softhsm2-util could not make the token in $directory/tokens" >&2
  exit 1
fi
