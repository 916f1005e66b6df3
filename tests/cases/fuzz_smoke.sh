#!/bin/bash
# limit: 300
# Every fuzz target that was built runs for a few seconds.
set -u
cd "$(dirname "$0")/../.." || exit 2
count=0

for target in "${BUILD:-build}"/tests/fuzz/fuzz_*; do
	[ -x "$target" ] && [ -f "$target" ] || continue
	case $target in *-crash-* | *-timeout-* | *-oom-* | *-leak-*) continue ;; esac
	echo "# ${target##*/}"
	tests/fuzz/run.sh "$target" 5 || exit 1
	count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "no fuzz target is built"; exit 77; }
