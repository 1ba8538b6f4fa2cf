#!/usr/bin/env bash
# Takes additions to keyservice/v1 into the frozen image that the tests hold the API to. Refuses what would break a caller.
set -euo pipefail
cd "$(dirname "$0")/.."
buf=tests/interop/node/node_modules/.bin/buf
image=tests/vectors/keyservice-v1.binpb
[ -x $buf ] || { echo "buf is missing: ./test.sh installs it" >&2; exit 1; }
[ ! -e $image ] || $buf breaking src/KeyService.Protocol --against $image
$buf build src/KeyService.Protocol --exclude-source-info -o $image
