#!/bin/bash
# idle_regions.sh [REGIONS [SECONDS]]: what idle regions cost. Three stores on this machine begin with so many regions (10000)
# and are let alone until all replicas sleep. Then it prints the processor time that each takes, as a part of a core over so many
# seconds (60), and its memory. Run it with 1 region, too: the difference is what the regions cost.
#
# BUILD names the build folder, BENCH where the stores are (a new directory; it is removed). OPTIONS are of each store: its own
# let 10000 elections, which begin at once, end on a busy machine, and leaders even out in a minute. With HOLD=1 it prints the
# stores' pids and waits for a line of input before it ends them.
set -eu
regions=${1:-10000} seconds=${2:-60}
options=${OPTIONS---raft.election_ticks=200 --raft.heartbeat_ticks=40 --server.store_moves=64}
asleep_seconds=900
build=$(cd "$(dirname "$(readlink -f "$0")")/../.." && realpath -m "${BUILD:-build}")
bench=$(mktemp -d "${BENCH:-/var/tmp}/raftkv-idle.XXXXXX")
pids=()

end() {
	[ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$bench"
}
trap end EXIT
trap 'exit 1' INT TERM

addresses=unix:$bench/1.sock,unix:$bench/2.sock,unix:$bench/3.sock
for n in 1 2 3; do
	# shellcheck disable=SC2086
	"$build/raftkvd" --config /dev/null --data "$bench/$n" --listen "unix:$bench/$n.sock" --initial-cluster "$addresses" \
		--server.initial_regions="$regions" --server.metrics="unix:$bench/$n.metrics" $options 2>"$bench/$n.log" &
	pids+=($!)
done

# A stat of store N.
stat_of() { curl -s --unix-socket "$bench/$1.metrics" http://localhost/metrics | awk -v name="$2" '$1 == name { print $2 }'; }

sleepers() {
	local n here count=0
	for n in 1 2 3; do
		kill -0 "${pids[n - 1]}" || { tail -n 5 "$bench/$n.log" >&2 && exit 1; }
		here=$(stat_of "$n" raftkv_regions_asleep)
		count=$((count + ${here:-0}))
	done
	echo "$count"
}

# Region 1 may be awake: the coordinator reads it once a second.
end_of_wait=$((SECONDS + asleep_seconds))
until [ "$(sleepers)" -ge $((3 * (regions - 1))) ]; do
	[ "$SECONDS" -lt "$end_of_wait" ] || { echo "$(sleepers) of $((3 * regions)) replicas sleep" >&2 && exit 1; }
	sleep 2
done
sleep 30 # what was begun before comes to its end

# Ticks of user and system time. A name in field 2 may have spaces.
ticks_of() { sed 's/^.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

before=()
for pid in "${pids[@]}"; do before+=("$(ticks_of "$pid")"); done
sleep "$seconds"
for n in 1 2 3; do
	pid=${pids[n - 1]}
	echo "$n $(($(ticks_of "$pid") - before[n - 1])) $(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status") $(stat_of "$n" raftkv_leaders)"
done | awk -v regions="$regions" -v seconds="$seconds" -v hz="$(getconf CLK_TCK)" '
	BEGIN { printf "%d regions, %d s\n%-6s %8s %12s %10s\n", regions, seconds, "store", "leads", "% of a core", "RSS MiB" }
	{ printf "%-6s %8d %12.2f %10.1f\n", $1, $4, $2 / hz / seconds * 100, $3 / 1024; ticks += $2; rss += $3 }
	END { printf "%-6s %8s %12.2f %10.1f\n", "all", "", ticks / hz / seconds * 100, rss / 1024 }'
if [ -n "${HOLD:-}" ]; then
	echo "pids ${pids[*]}"
	read -r _ || true
fi
