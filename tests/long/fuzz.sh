#!/usr/bin/env bash
# Fuzzes for as long as wanted: every target in turn until it has had its executions or its time,
# whichever comes first, and a table of what was done.
# usage: tests/long/fuzz.sh [--runs N (1000000)] [--seconds S (3600)] [TARGET...]
# The seconds are those of one target. Found inputs and grown corpora stay in build-fuzz/; exit code 1
# when something was found.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=1000000
seconds=3600
while [ $# -gt 0 ]; do
  case $1 in
    --runs) runs=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    -h|--help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
    -*) echo "error: unknown option $1; see --help" >&2; exit 2 ;;
    *) break ;;
  esac
done
RUNS=$runs exec tests/fuzz/run.sh "$seconds" "$@"
