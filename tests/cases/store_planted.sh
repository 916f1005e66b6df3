#!/bin/bash
# limit: 500
# Every bug planted in the store, a row each of "what must be durable before what" and more, is caught within 300 seeds.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0

# A build of its own, whatever the one under test was made with.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES SAN TSAN
make -s -j2 PLANT=1 BUILD=build-plant build-plant/tests/store_crash || exit 1
build-plant/tests/store_crash --seed 1 --seeds 100 || exit 1
while read -r bug; do
	if build-plant/tests/store_crash --seed 1 --seeds 300 --bug "$bug" >/dev/null 2>&1; then
		echo "$bug is not caught"
		status=1
	else
		echo "$bug is caught"
	fi
done < <(grep -rho 'planted("store:[a-z_]*")' store | sed 's/.*"\(.*\)".*/\1/' | sort -u)
exit $status
