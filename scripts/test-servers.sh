#!/usr/bin/env bash
# Runs all tests, or those of the packages named, with those against real servers
# switched on. The servers are built once into a cache folder, MinIO in some ten
# minutes; they are only run, never linked. Each test starts and ends its own, on
# loopback, and fails if it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
cache=${COUNTERFOIL_SERVERS:-${XDG_CACHE_HOME:-$HOME/.cache}/counterfoil-servers}

# install NAME MODULE VERSION PACKAGE: the program, unless it is there already.
install() {
  local program=$cache/$1
  if [ -x "$program" ] && "$go" version -m "$program" | grep -qE "mod[[:space:]]+$2[[:space:]]+$3([[:space:]]|\$)"; then
    echo "test-servers: $1 $3 is there"
    return
  fi
  echo "test-servers: building $1 $3"
  mkdir -p "$cache"
  (cd / && GOBIN=$cache CGO_ENABLED=0 "$go" install "$4@$3")
}

install minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c github.com/minio/minio
install versitygw github.com/versity/versitygw v1.8.0 github.com/versity/versitygw/cmd/versitygw

export COUNTERFOIL_TEST_SERVERS=1
export COUNTERFOIL_MINIO=$cache/minio
export COUNTERFOIL_VERSITYGW=$cache/versitygw
if [ $# -eq 0 ]; then set -- ./...; fi
"$go" test -count=1 "$@"
