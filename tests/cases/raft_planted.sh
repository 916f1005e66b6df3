#!/bin/bash
# limit: 400
# Every bug planted in the consensus core is caught by the project's own scenarios, and by chaos within the number of
# seeds given for it below; without a bug the same build passes both.
set -u
cd "$(dirname "$0")/../.." || exit 2
status=0
scenarios="build-plant/tests/raft_scenarios --skip-log-lines"
chaos=build-plant/tests/raft_chaos

# To take a stale acknowledgement for a fresh one, three leaders must change one entry within one slow write: that wants
# the mix in which leaders reign shortly.
declare -A seeds=(
	[raft:vote_twice]=200 [raft:ack_before_persisted]=100 [raft:commit_old_term]=300 [raft:read_without_quorum]=2000
	[raft:joint_one_half]=500 [raft:snapshot_forgets_conf]=200 [raft:snapshot_overtakes_conf]="1 --seed 28843204" [raft:check_quorum_no_step_down]=500
	[raft:stale_async_ack]="20000 --async --mix short-reigns")

. tests/lib/planted.sh
make_planted build-plant/tests/raft_scenarios $chaos || exit 1
$scenarios tests/data/raft/*.txt || exit 1
$chaos --seed 1 --seeds 2000 || exit 1
while read -r bug; do
	if RAFTKV_PLANTED=$bug $scenarios tests/data/raft/*.txt >/dev/null 2>&1; then
		echo "$bug is not caught by the scenarios"
		status=1
	fi
	limit=${seeds[$bug]:-}
	if [ -z "$limit" ]; then
		echo "$bug has no number of seeds"
		status=1
	elif found=$($chaos --bug "$bug" --first-failure --seed 1 --seeds $limit); then
		echo "$bug is not caught by $limit seeds of chaos"
		status=1
	else
		echo "$bug is caught: ${found%%$'\n'*}"
	fi
done < <(grep -rho 'planted("raft:[a-z_]*")' raft | sed 's/.*"\(.*\)".*/\1/' | sort -u)
exit $status
