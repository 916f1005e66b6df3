#!/bin/bash
# limit: 400
# Every bug planted in the consensus core is caught by the project's own scenarios.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0

# A build of its own, whatever the one under test was made with.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES SAN TSAN
make -s -j2 PLANT=1 BUILD=build-plant build-plant/tests/raft_scenarios || exit 1
build-plant/tests/raft_scenarios --skip-log-lines tests/data/raft/*.txt || exit 1
while read -r bug; do
	if RAFTKV_PLANTED=$bug build-plant/tests/raft_scenarios --skip-log-lines tests/data/raft/*.txt >/dev/null 2>&1; then
		echo "$bug is not caught"
		status=1
	else
		echo "$bug is caught"
	fi
done < <(grep -rho 'planted("raft:[a-z_]*")' raft | sed 's/.*"\(.*\)".*/\1/' | sort -u)
exit $status
