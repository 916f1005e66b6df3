#!/bin/bash
# idle_regions.sh [REGIONS [SECONDS]]: what idle regions cost. Three stores on this machine begin with so many regions (10000)
# and are let alone until all replicas sleep. Then it prints the processor time that each takes, as a part of a core over so many
# seconds (60), and its memory. Run it with 1 region, too: the difference is what the regions cost.
#
# idle_regions.sh -e [REGIONS]: what their elections cost. It prints how long it takes until every region has a leader, and then
# until all replicas sleep that can: of new stores, of the same ones after kill -9 of all, and after kill -9 of one. Times count
# from when the stores are started, or killed; the processor time is that of all of them until then.
#
# BUILD names the build folder, BENCH where the stores are (a new directory; it is removed). OPTIONS are of each store. With
# HOLD=1 it prints the stores' pids and waits for a line of input before it ends them.
set -eu
elections=
[ "${1:-}" != -e ] || { elections=1 && shift; }
regions=${1:-10000} seconds=${2:-60}
options=${OPTIONS---server.store_moves=64}
wait_seconds=${WAIT_SECONDS:-900}
build=$(cd "$(dirname "$(readlink -f "$0")")/../.." && realpath -m "${BUILD:-build}")
bench=$(mktemp -d "${BENCH:-/var/tmp}/raftkv-idle.XXXXXX")
pids=() living=()

end() {
	[ ${#living[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$bench"
}
trap end EXIT
trap 'exit 1' INT TERM

addresses=unix:$bench/1.sock,unix:$bench/2.sock,unix:$bench/3.sock
start() {
	local n
	pids=() living=(1 2 3)
	for n in 1 2 3; do
		# shellcheck disable=SC2086
		"$build/raftkvd" --config /dev/null --data "$bench/$n" --listen "unix:$bench/$n.sock" --initial-cluster "$addresses" \
			--server.initial_regions="$regions" --server.metrics="unix:$bench/$n.metrics" $options 2>>"$bench/$n.log" &
		pids+=($!)
	done
}

# A stat of store N.
stat_of() { curl -s --unix-socket "$bench/$1.metrics" http://localhost/metrics | awk -v name="$2" '$1 == name { print $2 }'; }

# The sum of a stat over the stores that live.
sum_of() {
	local n here count=0
	for n in "${living[@]}"; do
		kill -0 "${pids[n - 1]}" || { tail -n 5 "$bench/$n.log" >&2 && exit 1; }
		here=$(stat_of "$n" "$1")
		count=$((count + ${here:-0}))
	done
	echo "$count"
}

# Until the sum of the stat is so high.
await() {
	local end_of_wait=$((SECONDS + wait_seconds)) count
	until count=$(sum_of "$1") && [ "$count" -ge "$2" ]; do
		[ "$SECONDS" -lt "$end_of_wait" ] || { echo "$1: $count of $2 after $wait_seconds s" >&2 && exit 1; }
		sleep 0.5
	done
}

# Region 1 may be awake: the coordinator reads it once a second.
await_sleep() { await raftkv_regions_asleep $((${#living[@]} * (regions - 1))); }

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'; }

# Ticks of user and system time. A name in field 2 may have spaces.
ticks_of() { sed 's/^.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

ticks_of_all() {
	local n ticks=0
	for n in "${living[@]}"; do ticks=$((ticks + $(ticks_of "${pids[n - 1]}"))); done
	echo "$ticks"
}

# What happens from that moment on, at which they had used so many ticks, until all sleep.
report() {
	local begin=$1 ticks=$2
	await raftkv_leaders "$regions"
	printf '%-24s %8s ' "$3" "$(since "$begin")"
	await_sleep
	awk -v asleep="$(since "$begin")" -v ticks=$(($(ticks_of_all) - ticks)) -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "%10s %13.1f\n", asleep, ticks / hz }'
}

if [ -n "$elections" ]; then
	printf '%-24s %8s %10s %13s\n' "$regions regions" "led, s" "asleep, s" "processor, s"
	begin=$EPOCHREALTIME
	start
	report "$begin" 0 "three new stores"
	kill -9 "${pids[@]}"
	wait 2>/dev/null || true
	begin=$EPOCHREALTIME
	start
	report "$begin" 0 "all killed and started"
	ticks=$(ticks_of "${pids[0]}") ticks=$((ticks + $(ticks_of "${pids[1]}")))
	living=(1 2)
	begin=$EPOCHREALTIME
	kill -9 "${pids[2]}"
	report "$begin" "$ticks" "one killed"
	exit 0
fi

start
await_sleep
sleep 30 # what was begun before comes to its end

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
