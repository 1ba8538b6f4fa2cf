#!/usr/bin/env bash
# Mutation score of KeyService.Crypto (dotnet-stryker, .config/dotnet-tools.json): changes the code in some two thousand places, one at a time, and counts
# the changes that no test of tests/KeyService.Crypto.Tests notices. Hours on two cores; so folder by folder, and what was measured stays.
#
#   tests/mutation.sh                    every folder, then the table
#   tests/mutation.sh Archives Aes       these folders, then the table
#   tests/mutation.sh --report           the table of what was measured, with its survivors; fails below 85 %
#
# Works on a copy of the last commit in artifacts/mutation. What may survive, and why: tests/mutation-exclusions.json.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/artifacts/mutation
mkdir -p "$out"

report() { exec /usr/bin/python3 tests/mutation-report.py "$out" tests/mutation-exclusions.json; }
[ "${1:-}" != --report ] || report

folders=("$@")
[ $# -gt 0 ] || mapfile -t folders < <(find src/KeyService.Crypto -mindepth 1 -maxdepth 1 -type d ! -name obj ! -name bin -printf '%f\n' | sort)

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
rm -rf "$out/tree"
git clone -q . "$out/tree"
(cd "$out/tree" && dotnet tool restore >/dev/null)

for folder in "${folders[@]}"; do
  # The archives' tests run against the archives' code, all others against the rest.
  half=Crypto
  [ "$folder" != Archives ] || half=Archives
  echo "Mutating $folder"
  (cd "$out/tree/tests/KeyService.Crypto.Tests" &&
    KEYSERVICE_MUTATION=$half nice -n 10 dotnet stryker -f ../stryker-config.json -m "**/$folder/**/*.cs" -O "$out/$folder" >"$out/$folder.log" 2>&1) ||
    { tail -n 20 "$out/$folder.log" >&2; exit 1; }
done
report
