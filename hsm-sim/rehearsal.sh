#!/usr/bin/env bash
# Makes a toy token to rehearse a ceremony with, and says how to use it. Nothing made on it counts.
#
#   hsm-sim/rehearsal.sh [DIRECTORY]
#
# DIRECTORY (rehearsal-token when none is named) holds the token and its PINs; delete it afterwards.
set -euo pipefail
umask 077

[ $# -le 1 ] || { echo "usage: $0 [DIRECTORY]" >&2; exit 2; }
target=${1:-rehearsal-token}
here=$(cd "$(dirname "$0")" && pwd)
"$here/softhsm-token.sh" "$target" rehearsal
directory=$(cd "$target" && pwd)

for module in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
  [ -e "$module" ] && break
done

cat <<TEXT
A toy token stands in $directory. Rehearse with it, for example:

  export SOFTHSM2_CONF=$directory/softhsm2.conf
  keyservice ceremony genesis --rehearsal --directory rehearsal \\
    --module $module --token-label rehearsal --pin-file $directory/pin \\
    --administrator alice="Alice Adams" --witness bob="Bob Baker" \\
    --custodian carol="Carol Chen" --custodian dave="Dave Diaz" --custodian erin="Erin Evans" --threshold 2
TEXT
