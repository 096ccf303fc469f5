#!/usr/bin/env bash
# Runs all tests with those against real servers switched on, and says which
# servers were started. A test asks by the variable COUNTERFOIL_TEST_SERVERS;
# this script starts what it needs, on loopback, and ends it afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}

started=() # add each server here when it is started
asking=$(grep -rl --include='*_test.go' 'COUNTERFOIL_TEST_SERVERS' . || true)

if [ ${#started[@]} -eq 0 ]; then
  echo "test-servers: no server was started: this version knows none to test against"
else
  printf 'test-servers: started %s\n' "${started[@]}"
fi
if [ -n "$asking" ] && [ ${#started[@]} -eq 0 ]; then
  echo "test-servers: but these tests ask for one:"
  echo "$asking"
  exit 1
fi
COUNTERFOIL_TEST_SERVERS=1 "$go" test -count=1 ./...
