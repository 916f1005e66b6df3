#!/bin/bash
# limit: 300
# Every fuzz target that was built runs for a few seconds, two at a time.
set -u
cd "$(dirname "$0")/../.." || exit 2

targets() {
	for target in "${BUILD:-build}"/tests/fuzz/fuzz_*; do
		[ -x "$target" ] && [ -f "$target" ] || continue
		case $target in *-crash-* | *-timeout-* | *-oom-* | *-leak-*) continue ;; esac
		echo "$target"
	done
}

[ -n "$(targets)" ] || { echo "no fuzz target is built"; exit 77; }
targets | xargs -P 2 -I TARGET sh -c 'out=$(tests/fuzz/run.sh TARGET 5) && status=0 || status=1; echo "# TARGET"; echo "$out"; exit $status'
