#!/bin/bash
# limit: 300
# The bugs planted in splits that one store alone can show are caught by store_crash within SEEDS seeds. The others
# need several stores: a leader elsewhere, members that come and go, snapshots.
set -u
cd "$(dirname "$0")/../.." || exit 2
SEEDS=200
BUGS=(split:epoch_unchecked split:evaluated_on split:log_not_begun split:log_unmarked split:slots_left)
status=0

. tests/lib/planted.sh
make_planted build-plant/tests/store_crash || exit 1
build-plant/tests/store_crash --seeds 32 || exit 1
for bug in "${BUGS[@]}"; do
	grep -rqF "PLANT(\"$bug\"" store || { echo "$bug is not planted"; status=1; continue; }
	if found=$(build-plant/tests/store_crash --seeds $SEEDS --bug "$bug" 2>/dev/null); then
		echo "$bug is not caught"
		status=1
	else
		echo "$bug is caught: $(grep -m 1 violation <<<"$found")"
	fi
done
exit $status
