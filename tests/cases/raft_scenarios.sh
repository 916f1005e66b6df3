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
exit $status
