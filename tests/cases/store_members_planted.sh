#!/bin/bash
# limit: 400
# Every bug planted in what the replicas of a region do together is caught by one of their tests.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0
folder=build-plant/tests/unit/store
tests="members membership promises net_transport"

# A build of its own, whatever the one under test was made with.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES SAN TSAN
# shellcheck disable=SC2086,SC2046
make -s -j2 PLANT=1 BUILD=build-plant $(printf "$folder/test_%s " $tests) || exit 1
for test in $tests; do
	"$folder/test_$test" >/dev/null 2>&1 || { echo "test_$test fails without a bug"; exit 1; }
done
while read -r bug; do
	caught=
	for test in $tests; do
		RAFTKV_PLANTED=$bug timeout 100 "$folder/test_$test" >/dev/null 2>&1 || { caught=$test; break; }
	done
	[ -n "$caught" ] || status=1
	echo "$bug: ${caught:+caught by test_}${caught:-not caught}"
done < <(grep -rho 'planted("\(members\|reads\):[a-z_]*")' store | sed 's/.*"\(.*\)".*/\1/' | sort -u)
exit $status
