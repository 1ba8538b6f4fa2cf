#!/usr/bin/env bash
# The development PKI: a CA, a server certificate for localhost, client certificates named by a SAN URI.
# Everything ends after at most 365 days, unless DAYS say otherwise. What stands and is good for another 30 days is kept.
#
#   dev/pki.sh DIRECTORY                          CA, server, clients administrator, database, backup
#   dev/pki.sh DIRECTORY client NAME [DAYS]       one more client; DAYS may be 0 (already expired when used)
#   dev/pki.sh DIRECTORY server DAYS              the server's certificate anew, whatever stands
#
# Keys are NIST P-256, mode 0600. A client is the principal of its SAN URI, keyservice:principal/NAME.
set -euo pipefail
umask 077

[ $# -ge 1 ] || { sed -n '5,7s/^# *//p' "$0" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
exec 3>&2 2>openssl.log            # openssl talks on stderr even when all is well; shown only when it fails
trap '[ $? -eq 0 ] && rm -f openssl.log || cat openssl.log >&3' EXIT

stands() { [ -s "$1.key" ] && [ -s "$1.crt" ] && openssl x509 -in "$1.crt" -noout -checkend 2592000 >/dev/null; }

new_key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null ||
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }

authority() {
  stands ca && return
  rm -f ./*.crt                      # what an older CA signed is worth nothing under the new one
  new_key ca
  openssl req -x509 -new -key ca.key -sha256 -days 365 -subj "/CN=KeyService development CA" -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign,cRLSign
  chmod 0644 ca.crt
}

issue() { # NAME DAYS COMMON-NAME EXTENSIONS
  new_key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$3" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$2" -out "$1.crt" \
    -extfile <(printf '%s\n' basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature \
      subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "${@:4}")
  rm -f "$1.csr"
  chmod 0644 "$1.crt"
}

server() { # DAYS
  issue server "$1" localhost extendedKeyUsage=serverAuth "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"
}

client() { # NAME DAYS
  [ "$2" -gt 30 ] && stands "$1" && return
  issue "$1" "$2" "$1" extendedKeyUsage=clientAuth "subjectAltName=URI:keyservice:principal/$1"
}

authority
if [ $# -eq 1 ]; then
  stands server || server 365
  for name in administrator database backup; do client "$name" 365; done
elif [ "$2" = client ] && [ $# -ge 3 ]; then
  client "$3" "${4:-365}"
elif [ "$2" = server ] && [ $# -eq 3 ]; then
  server "$3"
else
  echo "usage: $0 DIRECTORY [client NAME [DAYS] | server DAYS]" >&3
  exit 2
fi
