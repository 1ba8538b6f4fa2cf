#!/usr/bin/env bash
# Installs what the tests need, builds, runs everything and ends with one line: N passed, N failed.
#
#   ./test.sh                 all but the long tests; at most 15 minutes on two cores
#   ./test.sh --long          the long ones too; leaves test-report-DATE.md
#   ./test.sh --no-install    installs nothing: says what is missing and ends
#
# Where CI=true, a test that lacks what it needs from the machine fails instead of being skipped.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=dev/packages.sh
. dev/packages.sh

install=yes
long=no
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    --long) long=yes ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "Unknown argument: $argument (--long, --no-install)" ;;
  esac
done

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
node=tests/interop/node
results=artifacts/test-results
rm -rf "$results"
mkdir -p "$results"

prepare() {
  require_dotnet
  ensure "the tests" "$install" \
    /usr/lib/softhsm/libsofthsm2.so=softhsm2 '/usr/lib/*/libsoftokn3.so=libnss3' gcc=gcc /usr/include/dlfcn.h=libc6-dev \
    softhsm2-util=softhsm2 pkcs11-tool=opensc openssl=openssl script=bsdutils tmux=tmux \
    age=age gpg=gnupg node=nodejs npm=npm \
    /usr/bin/python3=python3 /usr/lib/python3/dist-packages/grpc=python3-grpcio \
    /usr/lib/python3/dist-packages/google/protobuf=python3-protobuf \
    /usr/lib/python3/dist-packages/cryptography=python3-cryptography \
    /usr/lib/python3/dist-packages/cryptography_vectors=python3-cryptography-vectors \
    '/usr/lib/postgresql/*/bin/initdb=postgresql-15' setpriv=util-linux strace=strace sslscan=sslscan \
    /usr/sbin/rsyslogd=rsyslog '/usr/lib/*/rsyslog/lmnsd_ossl.so=rsyslog-openssl' '/usr/lib/*/rsyslog/lmnsd_gtls.so=rsyslog-gnutls' \
    '/usr/lib/*/faketime/libfaketimeMT.so.1=libfaketime' chromium=chromium pdftotext=poppler-utils zbarimg=zbar-tools
  npm_packages
}

# npm install, not npm ci: a registry need not carry buf's packages for other operating systems. The lock's versions and hashes
# hold all the same.
npm_packages() {
  cmp -s "$node/package-lock.json" "$node/node_modules/.lock" && return
  [ "$install" = yes ] || die "Missing for the tests: the npm packages of $node.
Nothing was installed, as --no-install asks. Install them and run this again:
  (cd $node && npm install --no-save --ignore-scripts && cp package-lock.json node_modules/.lock)"
  say "Will install for the tests, from npm: $(sed -n 's/^    "\([^"]*\)": "\([0-9.]*\)",\{0,1\}$/\1 \2/p' "$node/package.json" | paste -sd, | sed 's/,/, /g')"
  (cd "$node" && npm install --no-save --ignore-scripts --loglevel=error >/dev/null)
  cp "$node/package-lock.json" "$node/node_modules/.lock"
}

build() {
  say "Building"
  local log=$results/build.log
  dotnet build -c Release KeyService.sln >"$log" 2>&1 || { grep -E ' error |error :' "$log" | sort -u >&2; die "The build failed ($log)."; }
  hsm-sim/build.sh
}

# run PROJECT [OPTION]...: its tests, with the summary kept as XML. A runner that dies leaves none, which is a failure below; one that does not
# end is ended with everything it started, and the tests it was at are named.
failed_runners=0
run() {
  local project=$1 filter=(-trait- Duration=long) limit=40m started=$SECONDS status=0
  shift
  [ "$long" = no ] || filter=() limit=4h
  say "Running $project"
  timeout --signal=INT --kill-after=60 "$limit" \
    dotnet "artifacts/bin/$project/release/$project.dll" -noLogo -noColor -longRunning 120 "${filter[@]}" "$@" -xml "$results/$project.xml" \
    >"$results/$project.log" 2>&1 </dev/null || status=$?
  [ "$status" -eq 0 ] || failed_runners=$((failed_runners + 1))
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    say "$project did not end within $limit. It was at:"
    grep 'Long Running Test' "$results/$project.log" | tail -n 8 | sed "s/^.*\[Long Running Test\]/ /"
  fi
  grep -E '\[(FAIL|SKIP)\]' "$results/$project.log" || true
  sed -n '/\[FAIL\]/,/^ *Stack Trace/p' "$results/$project.log" | grep -v '\[FAIL\]' | head -n 200 || true
  say "  $((SECONDS - started)) s"
}

# The totals over all runners, from the attributes of their <assembly> elements.
total() {
  cat "$results"/*.xml 2>/dev/null | grep -oE "<assembly [^>]*" | grep -oE " $1=\"[0-9]+\"" | tr -dc '0-9\n' |
    awk '{ sum += $1 } END { print sum + 0 }'
}

report() {
  local file
  file=test-report-$(date -u +%F).md
  {
    printf '# Test report of %s\n\n' "$(date -u '+%F %H:%M UTC')"
    printf -- '- commit %s\n- %s, %s cores, %s\n- .NET %s\n- %s passed, %s failed, %s skipped in %s s\n\n' \
      "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" \
      "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)" \
      "$(dotnet --version)" "$passed" "$failed" "$skipped" "$SECONDS"
    printf '## Slowest tests\n\n| seconds | test |\n|---|---|\n'
    cat "$results"/*.xml | grep -oE '<test [^>]*' | sed -nE 's/.* name="([^"]*)".* time="([0-9]+\.?[0-9]?)[^"]*".*/\2 | \1/p' |
      sort -rn | head -n 25 | sed 's/.*/| & |/; s/\\\?&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
    printf '\n## Not passed\n\n'
    grep -hE '\[(FAIL|SKIP)\]' "$results"/*.log | sed 's/^ */- /' || printf 'None.\n'
  } > "$file"
  say "Report: $file"
}

prepare
build
run KeyService.Crypto.Tests
run KeyService.Tests
# Twice as many at once as cores: most of their time they wait for processes. These live for seconds, and never earn back what profiling
# themselves costs: a tenth of all.
DOTNET_TieredPGO=0 run KeyService.IntegrationTests -maxThreads 2x

passed=$(total passed)
failed=$(( $(total failed) + $(total errors) ))
skipped=$(total skipped)
# A runner that failed without a failed test (it crashed, or could not start) is a failure too; and no tests at all is no success.
if [ "$failed_runners" -gt 0 ] && [ "$failed" -eq 0 ]; then failed=$failed_runners; fi
if [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
[ "$long" = no ] || report

line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
say "$line"
[ "$failed" -eq 0 ]
