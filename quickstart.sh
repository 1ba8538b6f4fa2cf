#!/usr/bin/env bash
# From a clean clone to a running KeyService that did its main job in front of you. For development only.
#
#   ./quickstart.sh                installs what is missing, builds, starts, shows the main job, serves until Ctrl-C
#   ./quickstart.sh --once         the same, and ends after the main job
#   ./quickstart.sh --no-install   installs nothing: says what is missing and ends
#
# Everything it makes lies in .dev/ (delete it to begin anew) and in ./keyservice. A second start reuses it.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=dev/packages.sh
. dev/packages.sh

install=yes
once=no
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    --once) once=yes ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "Unknown argument: $argument (--once, --no-install)" ;;
  esac
done

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1
umask 077
root=$PWD
dev=$root/.dev
log=$dev/quickstart.log
socket=$dev/keyservice.sock
# A socket's path is limited to 107 bytes.
[ ${#socket} -le 107 ] || socket=/tmp/keyservice-$(printf '%s' "$dev" | sha256sum | cut -c1-12).sock
server=''
words=''

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' plain=$'\e[0m'; else bold='' dim='' green='' plain=''; fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
begin() { printf '  %-58s' "$*"; }
ok() { printf '%s%s%s\n' "$green" "${*:-ok}" "$plain"; }
line() { printf '  %s\n' "$*"; }

# Runs something without a word; what it said is kept for the log, and for broken to show.
attempt() {
  local status=0
  "$@" >"$dev/last.log" 2>&1 || status=$?
  cat "$dev/last.log" >> "$log"
  words=''
  [ $status -eq 0 ] || words=$dev/last.log
  return $status
}

# Ends with a sentence, under the words of what failed.
broken() {
  printf '\n'
  local said=${2:-$words}
  [ -z "$said" ] || tail -n 15 "$said" | sed 's/^/    /' >&2
  die "$1"
}

now() { date +%s%N; }
since() { awk -v ns="$(($(now) - $1))" 'BEGIN { printf (ns < 1e10 ? "%.1f s" : "%.0f s"), ns / 1e9 }'; }

# ---------------------------------------------------------------- what is needed

prepare() {
  require_dotnet
  ensure "the development HSM and PKI" "$install" \
    /usr/lib/softhsm/libsofthsm2.so=softhsm2 softhsm2-util=softhsm2 openssl=openssl script=bsdutils
  mkdir -p "$dev"
  exec 9>"$dev/lock"
  flock -n 9 || die "Another quickstart.sh is already at work in this directory.
Use ./keyservice while it serves, or end it with Ctrl-C in its terminal."
  : > "$log"
}

# ---------------------------------------------------------------- build

# Ahead-of-time code (ReadyToRun) starts in a third of the time; where its compiler cannot be restored, a plain build does the same work.
# The compiler stays as a server of its own for minutes; with the lock's descriptor (9) it would keep this directory locked that long.
publish() {
  local rid=linux-x64
  [ "$(uname -m)" != aarch64 ] || rid=linux-arm64
  attempt dotnet publish "src/$1" -c Release -r $rid --self-contained false -p:PublishReadyToRun=true -o "$dev/bin/$1" 9>&- ||
    attempt dotnet publish "src/$1" -c Release -p:PublishReadyToRun=false -o "$dev/bin/$1" 9>&- ||
    broken "The build failed ($log has all of it)."
}

build() {
  begin "Server and command"
  local stamp=$dev/bin/built started
  started=$(now)
  if [ -e "$stamp" ] && [ -z "$(find src Directory.*.props global.json -newer "$stamp" -type f -print -quit)" ]; then
    ok "reused"
    return
  fi
  rm -rf "$dev/bin"
  publish KeyService.Server
  publish KeyService.Cli
  touch "$stamp"
  ok "built in $(since "$started")"
}

# ---------------------------------------------------------------- token, PKI, configuration

free_port() { # the port asked for, or the next that nobody listens on
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  printf '%s' "$port"
}

profile() { # NAME ENDPOINT: mutual TLS with the client certificate of that name
  cat > "$dev/profiles/$1.json" <<JSON
{
  "endpoint": "$2",
  "ca": "../pki/ca.crt",
  "certificate": "../pki/$1.crt",
  "privateKey": "../pki/$1.key",
  "serverConfig": "../server.json"
}
JSON
}

provision() {
  begin "SoftHSM token with random PINs"
  local state=made before
  [ ! -s "$dev/pin" ] || state=reused
  attempt hsm-sim/softhsm-token.sh "$dev" keyservice-development || broken "The token could not be made."
  ok $state
  begin "Development CA, server, three clients (365 days at most)"
  # Before the first start there is nothing to read, which is no failure.
  before=$( (cat "$dev"/pki/*.crt 2>/dev/null || true) | sha256sum)
  attempt dev/pki.sh "$dev/pki" || broken "The certificates could not be made."
  [ "$before" = "$(cat "$dev"/pki/*.crt | sha256sum)" ] && ok reused || ok made
}

configure() {
  local wanted=8443 config=$dev/server.json
  [ ! -s "$config" ] || wanted=$(sed -n 's/.*"tcp": *"127.0.0.1:\([0-9]*\)".*/\1/p' "$config")
  port=$(free_port "${wanted:-8443}")
  [ "$port" = "${wanted:-8443}" ] || line "${dim}Port $wanted is taken by another program; using $port.$plain"
  if [ -s "$config" ]; then
    sed -i \
      -e "s#\"tcp\": *\"127.0.0.1:[0-9]*\"#\"tcp\": \"127.0.0.1:$port\"#" \
      -e "s#\"unixSocket\": *\"[^\"]*\"#\"unixSocket\": \"$socket\"#" "$config"
  else
    cat > "$config" <<JSON
{
  "profile": "development",
  "dataDirectory": ".",
  "listen": { "tcp": "127.0.0.1:$port", "unixSocket": "$socket" },
  "tls": { "certificate": "pki/server.crt", "privateKey": "pki/server.key", "clientCa": "pki/ca.crt" },
  "hsm": { "module": "/usr/lib/softhsm/libsofthsm2.so", "tokenLabel": "keyservice-development", "pinFile": "pin" },
  "store": { "sqlite": "keyservice.db" },
  "telemetry": { "otlpEndpoint": null }
}
JSON
  fi
  mkdir -p "$dev/profiles"
  profile administrator "https://localhost:$port"
  profile database "https://localhost:$port"
  profile backup "https://localhost:$port"
  printf '{\n  "endpoint": "unix:%s",\n  "serverConfig": "../server.json"\n}\n' "$socket" > "$dev/profiles/local.json"
  sed 's#"\.\./#"#' "$dev/profiles/backup.json" > "$dev/profile.json"
  command_script > keyservice
  chmod 0755 keyservice
}

# Separation of duties holds in development too: who administers keys cannot use them. So the script picks the profile that
# fits the command.
command_script() {
  cat <<'SCRIPT'
#!/usr/bin/env bash
# The keyservice command with the development profiles of quickstart.sh (which made this file).
# KEYSERVICE_PROFILE or --profile names another: administrator, database, backup or local in .dev/profiles.
here=$(dirname "$(readlink -f "$0")")
export KEYSERVICE_SERVER=$here/.dev/bin/KeyService.Server/KeyService.Server
# A ceremony is held on the token that it names, a toy token of hsm-sim/rehearsal.sh for example: there the caller's own setting counts.
case ${1-} in ceremony|token) : "${SOFTHSM2_CONF:=$here/.dev/softhsm2.conf}" ;; *) SOFTHSM2_CONF=$here/.dev/softhsm2.conf ;; esac
export SOFTHSM2_CONF
if [ -z "${KEYSERVICE_PROFILE-}" ]; then
  profile=backup
  for argument in "$@"; do
    case $argument in
      --) break ;;
      key|rotation|backup|ceremony|token|holding|campaign|destruction|approval|officer|alarms|review|certificate|store) profile=administrator; break ;;
      principal|grant|access|login|logout|session|person|place|break-glass|audit|evidence|whoami|status|doctor|config|init|restore|serve) profile=administrator; break ;;
      data-key|field|adopt) profile=database; break ;;
      encrypt|decrypt|inspect|verify|rewrap|witness|completion) break ;;
    esac
  done
  export KEYSERVICE_PROFILE=$here/.dev/profiles/$profile.json
fi
exec "$here/.dev/bin/KeyService.Cli/keyservice" "$@"
SCRIPT
}

# ---------------------------------------------------------------- the service

initialise() {
  [ ! -e "$dev/initialised" ] || return 0
  begin "Key hierarchy in the HSM, store, first administrator"
  # 6: it stands already, and only the mark is missing.
  attempt ./keyservice init --config "$dev/server.json" --admin-name administrator \
    --admin-certificate-uri keyservice:principal/administrator || [ $? -eq 6 ] || broken "The service could not be initialised."
  touch "$dev/initialised"
  ok made
}

start() {
  local started
  started=$(now)
  begin "Starting the service"
  # Emptied here: the line waited for below must not be found in the log of the start before.
  : > "$dev/server.log"
  # shellcheck disable=SC2094
  ./keyservice serve --config "$dev/server.json" >"$dev/server.log" 2>&1 9>&- </dev/null &
  server=$!
  trap stop EXIT
  trap 'line "Stopped. The next ./quickstart.sh goes on from here."; exit 130' INT
  trap 'exit 143' TERM
  until grep -q '^keyservice: serving on ' "$dev/server.log"; do
    kill -0 "$server" 2>/dev/null || broken "The service did not start ($dev/server.log)." "$dev/server.log"
    [ $(($(now) - started)) -lt 60000000000 ] || broken "The service does not listen after a minute ($dev/server.log)." "$dev/server.log"
    sleep 0.05
  done
  ok "ready in $(since "$started")"
}

stop() {
  trap - EXIT INT TERM
  [ -n "$server" ] || return 0
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}

# The command, without a word unless it fails.
quietly() { attempt ./keyservice "$@" || broken "keyservice $1 failed."; }

# The command, which may find that what it is to make exists already.
make_once() { attempt ./keyservice "$@" || [ $? -eq 6 ] || broken "keyservice $1 $2 failed."; }

register() {
  local name use=generate-data-key,unwrap-data-key,rewrap-data-key,encrypt,decrypt,reencrypt,read-key,read-system
  begin "Principals and grants: each may do what it needs"
  make_once principal create database --certificate-uri keyservice:principal/database
  make_once principal create backup --certificate-uri keyservice:principal/backup
  make_once principal create local --unix-uid "$(id -u)"
  for name in database backup local; do
    quietly grant list --principal "$name" --json
    grep -q '"permissions"' "$dev/last.log" || quietly grant create "$name" --key '*' --permissions "$use"
  done
  ok
}

# ---------------------------------------------------------------- the main job

main_job() {
  local work=$dev/demo
  rm -rf "$work"
  mkdir -p "$work"
  title "The main job"

  begin "Keys ehr/patients and ehr-backup, made in the HSM"
  make_once key create ehr/patients
  make_once key create ehr-backup
  ok

  data_key_job "$work"
  field_job "$work"
  archive_job "$work"
  rm -rf "$work"
}

data_key_job() {
  begin "A data key: 32 bytes to use, 69 wrapped to keep"
  quietly data-key generate --key ehr/patients -c table=patients --wrapped "$1/wrapped" --plaintext "$1/key"
  quietly data-key unwrap --wrapped "$1/wrapped" -c table=patients --plaintext "$1/again"
  cmp -s "$1/key" "$1/again" || broken "The unwrapped data key is another one."
  ok "unwrapped: the same"
}

# One field a patient: the family name, bound to the patient's row; and one of them moved to another row, which must not open.
field_job() {
  local file row name count=0
  begin "Fields: family names, each bound to its patient's row"
  for file in tests/data/fhir/patient-*.json; do
    row=$(basename "$file" .json)
    name=$(sed -n 's/.*"family": "\([^"]*\)".*/\1/p' "$file" | head -n 1)
    [ -n "$name" ] || continue
    printf '%s' "$name" > "$1/name"
    ./keyservice field encrypt --key ehr/patients -c table=patients -c row="$row" < "$1/name" > "$1/token" 2>"$dev/last.log" &&
      quietly field decrypt -c table=patients -c row="$row" -o "$1/name-again" --force < "$1/token" ||
      broken "A field was not encrypted."
    cmp -s "$1/name" "$1/name-again" || broken "A field did not come back as it was."
    count=$((count + 1))
  done
  ! attempt ./keyservice field decrypt -c table=patients -c row=another < "$1/token" || broken "A field opened in another row."
  ok "$count came back, none in another row"
}

# The sample is small: it is archived many times over, so that the rate says something.
archive_job() {
  local copies=1000 records=$1/records.ndjson
  begin "An archive: the FHIR records, $copies times over"
  cat tests/data/fhir/*.json > "$1/once"
  for _ in {1..100}; do cat "$1/once"; done > "$1/hundred"
  for _ in {1..10}; do cat "$1/hundred"; done > "$records"
  rm "$1/once" "$1/hundred"
  ok "$(stat -c %s "$records" | awk '{ printf "%.1f MB", $1 / 1e6 }')"
  measured encrypt --key ehr-backup -c job=quickstart -o "$1/records.ksa" "$records"
  measured decrypt -o "$1/back" "$1/records.ksa"
  begin "Compared byte for byte"
  cmp -s "$records" "$1/back" || broken "The archive did not come back as it was."
  ok "the same"
}

# The command's own progress and rate, in front of the user.
measured() {
  printf '%s' "$dim"
  ./keyservice "$@" || broken "keyservice $1 failed."
  printf '%s' "$plain"
}

# ---------------------------------------------------------------- all of it

title "KeyService, development only"
line "${dim}SoftHSM, embedded store and certificates of its own: fine to try, not for patient data.$plain"
title "Preparing"
prepare
build
provision
configure
initialise
start
register
main_job

cat <<TRY

${bold}Three things to try next${plain}
  ./keyservice encrypt --key ehr-backup -o src.ksa -- tar c src
      runs the producer itself; the archive exists only if it ends well
  ./keyservice inspect src.ksa
      what an archive says about itself, without any key
  ./keyservice audit tail
      everything that just happened, on record before it was answered
TRY

if [ "$once" = yes ]; then
  stop
  line "Everything came back byte for byte. Stopped, as --once asks."
  exit 0
fi
title "Serving https://localhost:$port and $socket; Ctrl-C ends it"
wait "$server" || broken "The service ended by itself ($dev/server.log)." "$dev/server.log"
