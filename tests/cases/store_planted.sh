#!/bin/bash
# limit: 600
# Every bug planted in the store and its block store is caught by store_crash within SEEDS seeds. Those of the log
# engine have a case of their own.
set -u
cd "$(dirname "$0")/../.." || exit 2
SEEDS=1500
status=0

. tests/lib/planted.sh
make_planted build-plant/tests/store_crash || exit 1
build-plant/tests/store_crash --seeds 32 || exit 1
bugs=$(grep -rhoE '(planted|PLANT)\("(store|blocks):[a-z_]*"' store | sed 's/.*"\(.*\)".*/\1/' | sort -u)
[ -n "$bugs" ] || { echo "no planted bug is found"; exit 1; }
while read -r bug; do
	if found=$(build-plant/tests/store_crash --seeds $SEEDS --bug "$bug" 2>/dev/null); then
		echo "$bug is not caught"
		status=1
	else
		echo "$bug is caught: $(grep -m 1 violation <<<"$found")"
	fi
done <<<"$bugs"
exit $status
