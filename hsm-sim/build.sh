#!/usr/bin/env bash
# Compiles HsmSim, the PKCS#11 module that injects faults and latencies, to artifacts/hsm-sim/HsmSim.so; does nothing when that is newer than its sources.
#
#   hsm-sim/build.sh
#
# Needs the .NET SDK and gcc as the linker. The AOT compiler comes from NuGet at the first build.
set -euo pipefail
cd "$(dirname "$0")/.."

module=artifacts/hsm-sim/HsmSim.so
if [ -s "$module" ] && [ -z "$(find hsm-sim/HsmSim Directory.Build.props Directory.Packages.props -type f -newer "$module" -print -quit)" ]; then
  exit 0
fi

command -v gcc >/dev/null || { echo "gcc is missing: apt-get install gcc libc6-dev" >&2; exit 1; }
case $(uname -m) in
  x86_64) platform=linux-x64 ;;
  aarch64) platform=linux-arm64 ;;
  *) echo "HsmSim is built for x86_64 and aarch64 only" >&2; exit 1 ;;
esac
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! dotnet publish hsm-sim/HsmSim/HsmSim.csproj -c Release -r "$platform" -o artifacts/hsm-sim >"$log" 2>&1; then
  grep -E 'error' "$log" | sort -u >&2 || cat "$log" >&2
  exit 1
fi
touch "$module" # an unchanged result would look older than a touched source
