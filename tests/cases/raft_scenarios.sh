#!/bin/bash
# limit: 120
# Scenario files of the consensus core: the project's own, and every file under $RAFT_SCENARIOS if that names a folder.
set -u
cd "$(dirname "$0")/../.." || exit 2
runner=${BUILD:-build}/tests/raft_scenarios
status=0

"$runner" --skip-log-lines tests/data/raft/*.txt || status=1
if [ -n "${RAFT_SCENARIOS:-}" ] && [ -d "$RAFT_SCENARIOS" ]; then
	mapfile -t files < <(find "$RAFT_SCENARIOS" -name '*.txt' | sort)
	"$runner" --skip-log-lines "${files[@]}" || status=1
fi

# A scenario that expects something else must fail, and say where.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
for expected in 's/VoteWon/VoteLost/' 's/^----$/----\nextra/' 's/^vote/vot/'; do
	printf 'vote cfg=(1) votes=(y)\n----\nVoteWon\n' | sed "$expected" >"$scratch/wrong.txt"
	if "$runner" "$scratch/wrong.txt" >"$scratch/out" || ! grep -q "wrong.txt:1:" "$scratch/out"; then
		echo "a wrong expectation passed: $expected"
		status=1
	fi
done
exit $status
