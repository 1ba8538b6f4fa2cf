# Sourced by quickstart.sh and test.sh: says what is missing, and installs it from Debian's packages when that is wanted.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# absent PROOF=PACKAGE... : the packages whose proof (a command, or a path with wildcards) is not on this machine.
absent() {
  local pair proof found=()
  for pair in "$@"; do
    proof=${pair%%=*}
    case $proof in
      /*) compgen -G "$proof" >/dev/null || found+=("${pair#*=}") ;;
      *) command -v "$proof" >/dev/null || found+=("${pair#*=}") ;;
    esac
  done
  [ ${#found[@]} -eq 0 ] || printf '%s\n' "${found[@]}" | awk '!seen[$0]++'
}

# The SDK is not a Debian package: it is asked for, never installed.
require_dotnet() {
  local sdks
  command -v dotnet >/dev/null ||
    die "The .NET 10 SDK is missing. Install it (https://dotnet.microsoft.com/download/dotnet/10.0) and run this again."
  sdks=$(dotnet --list-sdks | cut -d' ' -f1 | tr '\n' ' ')
  case " $sdks" in *" 10."*) ;; *) die "This needs the .NET 10 SDK; this machine has: ${sdks:-none}" ;; esac
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

# Debian's packages without recommends; no daemon is started by it and PostgreSQL makes no cluster of its own.
install_packages() {
  local policy=/usr/sbin/policy-rc.d made='' status=0 log
  log=$(mktemp)
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 0755 $policy
    made=yes
  fi
  apt_packages "$@" >"$log" 2>&1 </dev/null || status=$?
  [ -z "$made" ] || as_root rm -f $policy
  if [ $status -ne 0 ]; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*"
  fi
  rm -f "$log"
}

apt_packages() {
  local get=(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends)
  as_root apt-get update -q || return
  case " $* " in
    *" postgresql-15 "*)
      "${get[@]}" postgresql-common || return
      as_root sed -i 's/^#\?create_main_cluster = .*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf || return ;;
  esac
  "${get[@]}" "$@"
}

# ensure WHY INSTALL PROOF=PACKAGE... : says what it will install and for what, then does it. With INSTALL=no it refuses and says
# what to install.
ensure() {
  local why=$1 install=$2 packages
  shift 2
  mapfile -t packages < <(absent "$@")
  [ ${#packages[@]} -gt 0 ] || return 0
  local by_hand="apt-get install --no-install-recommends ${packages[*]}"
  if [ "$install" = no ]; then
    die "Missing for $why: ${packages[*]}
Nothing was installed, as --no-install asks. Install them and run this again:
  $by_hand"
  fi
  command -v apt-get >/dev/null ||
    die "Missing for $why: ${packages[*]}. This machine has no apt-get: install them by its own means and run this again."
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
    die "Missing for $why: ${packages[*]}. Installing needs root and there is no sudo. As root:
  $by_hand"
  say "Will install for $why, from Debian: ${packages[*]}"
  install_packages "${packages[@]}"
}
