#!/bin/bash
# Runs one fuzz target for a while, from its corpus in tests/fuzz/corpus, and the recorded bytes of tests/data/wire that it
# decodes; both stay as they are.
#
#   tests/fuzz/run.sh TARGET SECONDS     TARGET: a program such as build/tests/fuzz/fuzz_raft_step; SECONDS of an idle machine
#
# Prints how often it ran and what it covered; an input that breaks it is kept beside the program.
set -u
target=$1 patience=${RAFTKV_PATIENCE:-1}
seconds=$(($2 * patience))
name=$(basename "$target")
corpus=$(dirname "$0")/corpus/${name#fuzz_}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/found"
folders=("$scratch/found")
[ -d "$corpus" ] && folders+=("$corpus")
wire=$(dirname "$0")/../data/wire
case $name in
fuzz_fs_op) folders+=("$wire/op" "$wire/reply") ;;
fuzz_fs_rows) folders+=("$wire/row" "$wire/record" "$wire/key") ;;
fuzz_fs_answers) folders+=("$wire/reply") ;;
esac

if ! "$target" -max_total_time="$seconds" -timeout=$((30 * patience)) -rss_limit_mb=1024 -print_final_stats=1 \
	-artifact_prefix="$target-" "${folders[@]}" >"$scratch/log" 2>&1; then
	grep -v '^#' "$scratch/log" | tail -n 50
	echo "$name failed"
	exit 1
fi
grep -E '^#[0-9]+.*DONE|number_of_executed_units' "$scratch/log" | tail -n 2
