#!/usr/bin/env bash
# Runs every fuzz target of the module for a bounded time: scripts/fuzz.sh [3s]
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
time=${1:-3s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Only folders whose tests define a target are compiled.
dirs=$({ grep -rlE --include='*_test.go' '^func Fuzz' . || true; } | xargs -r -n 1 dirname | sort -u)
count=0
for dir in $dirs; do
  for target in $("$go" test -list '^Fuzz' "$dir" | grep '^Fuzz' || true); do
    count=$((count + 1))
    if "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s "$dir" >"$log" 2>&1; then
      echo "fuzz: $dir $target $time"
    elif grep -q 'context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|fuzzing process' "$log"; then
      # The fuzzer itself trips over its own deadline at times; no input failed.
      echo "fuzz: $dir $target $time (ended by its deadline)"
    else
      cat "$log"
      echo "fuzz: $dir $target FAILED; the input is kept below $dir/testdata/fuzz" >&2
      exit 1
    fi
  done
done
echo "fuzz: $count targets, $time each"
