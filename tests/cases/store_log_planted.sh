#!/bin/bash
# limit: 400
# Every bug planted in the raft log engine is caught by its randomized crash test.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0

. tests/lib/planted.sh
make_planted build-plant/tests/unit/store/test_log_crash || exit 1
build-plant/tests/unit/store/test_log_crash --seeds 200 || exit 1
bugs=$(grep -rhoE '(planted|PLANT)\("log:[a-z_]*"' store | sed 's/.*"\(.*\)".*/\1/' | sort -u)
[ -n "$bugs" ] || { echo "no planted bug is found"; exit 1; }
while read -r bug; do
	if RAFTKV_PLANTED=$bug build-plant/tests/unit/store/test_log_crash >/dev/null 2>&1; then
		echo "$bug is not caught"
		status=1
	else
		echo "$bug is caught"
	fi
done <<<"$bugs"
exit $status
