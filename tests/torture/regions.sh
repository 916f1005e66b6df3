#!/bin/bash
# A cluster of many stores and small regions, in full size: files are written while regions are split and spread, until
# stores and leaders are even; then two stores are killed, one after the other, and a third is drained, while files are
# changed. No operation fails, every byte is there, every store is sound. Run by `make torture-regions`; a table at the end.
#
#   STORES=9            of which three begin the cluster, and the others join it
#   LABELS=3            zones, which the stores have in turn
#   FILES=1000000 DIRECTORIES=50000 BYTES=6G   what is written: in three replicas it takes three times that
#   REGION_BYTES=32M    region_split_bytes
#   WORKERS=16 MOUNTS=2  processes that write, and the mounts that they use
#   REST_S=150          nothing has moved for so long: more than two rounds in which stores look for large regions
#   SCRATCH=/var/tmp    the directory in which all of it is
#   REPORT=             a file that gets the tables, too
#
# It takes an hour of two cores or more, and 30 GB of disk, in full size. Processes and files are gone when it ends.
cd "$(dirname "$0")/../.." || exit 2
: "${STORES:=9}" "${LABELS:=3}" "${FILES:=1000000}" "${DIRECTORIES:=50000}" "${BYTES:=6G}" "${REGION_BYTES:=32M}"
: "${WORKERS:=16}" "${MOUNTS:=2}" "${REST_S:=150}" "${REPORT:=/dev/null}"
SCRATCH=$(realpath "${SCRATCH:-/var/tmp}") || exit 2
. tests/lib/mount.sh
. tests/lib/cluster.sh

raftkv=$BUILD/raftkv
begun=$SECONDS
SETTLE_S=7200 # ends what hangs
BYTES_PERCENT=10 LEADERS_PERCENT=20
tree=("$DIRECTORIES" "$FILES" "$(numfmt --from=iec "$BYTES")" "$WORKERS")
any=$(IFS=,; echo "${ADDRESS[*]}")
STORE_OPTIONS=(--insecure --server.session_expiry_ms=60000 --server.replicas=3 --server.store_dead_after_s=10
	--server.region_split_bytes="$REGION_BYTES" --kv.cache_bytes=64M --raft-engine.log_bytes=128M)
: >"$REPORT"

say() { printf '%5d s  %s\n' $((SECONDS - begun)) "$*" | tee -a "$REPORT" >&"$CASE_OUTPUT"; }
status() { "$raftkv" status --json "$any" >"$WORK/status.new" 2>/dev/null && mv "$WORK/status.new" "$WORK/status"; }
status_is() { status && [ "$(jq -r "$1" "$WORK/status")" = true ]; }
roots() { for m in $(seq "$MOUNTS"); do echo "$WORK/mount$m"; done; }
mounts_up() { for m in $(seq "$MOUNTS"); do cluster_mount "mount$m"; done; }
mounts_down() { for m in $(seq "$MOUNTS"); do cluster_umount "mount$m"; done; }

# ---- Rest ----

# Every region has a leader and three voters, nobody else, all on stores that are up and alive.
ALL_PLACED='([.stores[] | select(.alive and .state == "up").id]) as $up | .regions | map(.leader_store > 0 and
	([.members[] | select(.role == "voter" and .active and (.store | IN($up[])))] | length) == 3 and
	(.members | length) == 3) | all'
are_placed() { status_is "$ALL_PLACED"; }
# All regions have been measured.
are_measured() { [ "$(jq '[.stores[] | select(.alive and .state == "up").region_bytes] | add' "$WORK/status")" -ge $((written * 3)) ]; }
# Nothing has moved for REST_S: the same regions on the same stores with the same leaders.
settled_since=0 settled_as=
is_settled() {
	local now
	if ! are_placed || ! are_measured; then
		settled_as=
		return 1
	fi
	now=$(jq -c '[.regions[] | [.id, .leader_store, [.members[].store]]]' "$WORK/status" | sha256sum)
	if [ "$now" != "$settled_as" ]; then
		settled_as=$now settled_since=$SECONDS
	fi
	sleep 2
	[ $((SECONDS - settled_since)) -ge "$REST_S" ]
}
settle() {
	local begin=$SECONDS
	settled_as=
	await $SETTLE_S is_settled
	say "$1: at rest $((SECONDS - begin - REST_S)) s later, with $(jq '.regions | length' "$WORK/status") regions"
}

# ---- The table ----

of_process() { awk -v key="$2:" '$1 == key { printf "%.0f", $2 / 1024 }' "/proc/$1/status" 2>/dev/null; }
cpu_s() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.0f", ($12 + $13) / hz }' "/proc/$1/stat" 2>/dev/null; }
ROW='%6s %-8s %9s %10s %9s %9s %8s %8s %9s %7s\n'
# Bytes are those of regions as the cluster has measured them, rows and data; data is what the block store has.
table() {
	local n pid labels disk bytes data replicas leaders
	say "$1"
	printf "$ROW" store labels 'disk GiB' 'bytes MiB' 'data MiB' replicas leaders 'RSS MiB' 'most MiB' 'CPU s' >"$WORK/table"
	for n in $(seq "$STORES"); do
		pid=${STORE_PIDS[n]}
		[ -n "$pid" ] || continue
		read -r labels disk bytes data replicas leaders <<<"$(jq -r --arg n "$n" '.stores[] | select(.id == ($n | tonumber)) |
			[.labels, (.space_total_bytes / 1073741824 | floor), (.region_bytes / 1048576 | floor),
			(.data_used_bytes / 1048576 | floor), .replicas, .leaders] | @tsv' "$WORK/status")"
		printf "$ROW" "$n" "$labels" "$disk" "$bytes" "$data" "$replicas" "$leaders" "$(of_process "$pid" VmRSS)" \
			"$(of_process "$pid" VmHWM)" "$(cpu_s "$pid")" >>"$WORK/table"
	done
	tee -a "$REPORT" <"$WORK/table" >&"$CASE_OUTPUT"
}

# In percent of the mean: how far the least is from the most, and how far any is from the mean.
of_stores() { jq -r "[.stores[] | select(.alive and .state == \"up\") | $1] | (add / length) as \$mean | $2 * 100 / \$mean | ceil" "$WORK/status"; }
spread() { of_stores "$1" '(max - min)'; }
farthest() { of_stores "$1" '(map(. - $mean) | map(if . < 0 then -. else . end) | max)'; }

# A region has a replica in each of three zones, so that bytes can be even only where all zones have as many stores.
zones_are_alike() {
	[ "$(jq -r '[.stores[] | select(.alive and .state == "up").labels] | group_by(.) | map(length) | unique | length' "$WORK/status")" = 1 ]
}
changer=
check_even() {
	local bytes leaders
	table "$1"
	bytes=$(spread .region_bytes) leaders=$(farthest .leaders)
	say "bytes are within $bytes % of each other, leaders within $leaders % of their mean, $(spread .leaders) % of each other"
	! zones_are_alike || [ "$bytes" -le $BYTES_PERCENT ] || fail "$1: bytes of stores differ by $bytes %"
	# While files are changed it is the load of leaders that is even, not their number.
	[ -n "$changer" ] || [ "$leaders" -le $LEADERS_PERCENT ] || fail "$1: leaders of a store are $leaders % from the mean"
}

# ---- What is in it ----

verify() {
	python3 tests/torture/tree.py verify "${tree[@]}" "$WORK/report" $(roots) >&"$CASE_OUTPUT" || fail "$1: not what was written"
	say "$1: $(jq -r '"\(.files) files in \(.directories) directories, \(.bytes) bytes, are verified in \(.seconds) s"' "$WORK/report")"
}
fsck_one() { "$BUILD/fsck.raftkv" -n --data "$WORK/store$1" >"$WORK/fsck.$1" 2>&1 || touch "$WORK/unsound"; }
# The stores that run: stopped, checked, started again unless told otherwise.
check_stores() {
	local n running=() begin=$SECONDS
	mounts_down
	for n in $(seq "$STORES"); do
		[ -z "${STORE_PIDS[n]}" ] || running+=("$n")
	done
	for n in "${running[@]}"; do kill "${STORE_PIDS[n]}"; done # together, or those that are left would repair
	for n in "${running[@]}"; do
		wait "${STORE_PIDS[n]}" || fail "$1: store $n ended with status $?: $(tail -n 5 "$WORK/$n.log")"
		STORE_PIDS[n]=
	done
	say "$1: stopped in $((SECONDS - begin)) s"
	begin=$SECONDS
	for n in "${running[@]}"; do
		fsck_one "$n"
		[ ! -e "$WORK/unsound" ] || fail "$1: fsck of store $n: $(head -c 2000 "$WORK/fsck.$n")"
	done
	say "$1: fsck of ${#running[@]} stores finds nothing, in $((SECONDS - begin)) s"
	[ "$2" = restart ] || return
	for n in "${running[@]}"; do
		: >"$WORK/$n.log"
		start "$n"
	done
	for n in "${running[@]}"; do await 300 store_is_ready "$n"; done
	await 300 are_placed
	mounts_up
}
is_healthy() { "$raftkv" health "$any" >"$WORK/health.log" 2>&1; }
check_health() {
	await 600 is_healthy
	say "$1: raftkv health finds nothing"
}

# ---- The cluster ----

label_of() { echo "zone=z$((($1 - 1) % LABELS + 1))"; }
start() {
	if [ "$1" -le 3 ]; then
		store_up "$1" --server.labels="$(label_of "$1")"
	else
		raftkvd_up "$1" --data "$WORK/store$1" --listen "${ADDRESS[$1]}" --join "$first" \
			--server.labels="$(label_of "$1")"
	fi
}
first=${ADDRESS[1]},${ADDRESS[2]},${ADDRESS[3]}
ADDRESSES=$first
for n in 1 2 3; do start $n; done
for n in 1 2 3; do await 60 store_is_ready $n; done
await 60 grep -q 'this store coordinates the cluster' "$WORK"/[1-3].log
for n in $(seq 4 "$STORES"); do # one after the other: each gets the next number
	start "$n"
	await 60 store_is_ready "$n"
done
mounts_up
say "$STORES stores, $MOUNTS mounts; $FILES files in $DIRECTORIES directories, $BYTES, regions of $REGION_BYTES"

# ---- Files are written, and everything finds its place ----
python3 tests/torture/tree.py write "${tree[@]}" "$WORK/report" $(roots) >&"$CASE_OUTPUT" || fail "operations failed"
say "written: $(jq -r '"\(.operations) operations, none failed, \(.bytes) bytes in \(.seconds) s; the slowest took \(.slowest_ms) ms"' "$WORK/report")"
written=$(jq .bytes "$WORK/report")
settle "after writing"
check_even "at rest"
check_health "at rest"
verify "at rest"
check_stores "at rest" restart

# ---- Two stores die, one after the other, and one is drained ----
rm -f "$WORK/enough"
python3 tests/torture/tree.py change "$WORK/enough" "$WORK/changes" $(roots) >&"$CASE_OUTPUT" &
changer=$!
# The store with the most replicas, in a zone that has lost none of these stores.
next_victim() {
	jq -r --arg gone "$*" --argjson zones "$LABELS" '($gone | split(" ") | map((tonumber - 1) % $zones)) as $lost |
		[.stores[] | select(.alive and .state == "up" and ((.id - 1) % $zones | IN($lost[]) | not))] | max_by(.replicas).id' \
		"$WORK/status"
}
is_silent() { status_is "[.stores[] | select(.id == $1).alive] == [false]"; }
die() {
	local begin=$SECONDS
	store_kill "$1"
	await 60 is_silent "$1"
	await $SETTLE_S are_placed
	say "store $1 ($(label_of "$1")$2) was killed: all has three replicas again after $((SECONDS - begin)) s"
	settle "without store $1"
	check_even "without store $1"
}
await 60 status
first_dead=$(jq .coordinator "$WORK/status")
die "$first_dead" ', which coordinated'
second_dead=$(next_victim "$first_dead")
die "$second_dead" ''
drained=$(next_victim "$first_dead" "$second_dead")
begin=$SECONDS
"$raftkv" store drain --wait "$drained" "$any" >"$WORK/out" 2>&1 || fail "the drain: $(cat "$WORK/out")"
say "store $drained ($(label_of "$drained")) is drained after $((SECONDS - begin)) s"
settle "drained"
check_even "drained"

# ---- What is not there any more is taken out ----
"$raftkv" store rm "$drained" "$any" >"$WORK/out" 2>&1 || fail "the removal: $(cat "$WORK/out")"
await 60 has_ended "${STORE_PIDS[drained]}"
wait "${STORE_PIDS[drained]}"
STORE_PIDS[drained]=
for n in $first_dead $second_dead; do
	"$raftkv" store replace "$n" "$any" >"$WORK/out" 2>&1 || fail "the replacement of $n: $(cat "$WORK/out")"
done
check_health "without three"
touch "$WORK/enough"
wait $changer || fail "changes failed meanwhile"
changer=
say "changes meanwhile: $(jq -r '"\(.operations) operations, none failed; the slowest took \(.slowest_ms) ms"' "$WORK/changes")"
verify "without three"
settle "at the end"
check_even "at the end"
rm "$WORK/$drained.log" # it says at its end that it is not wanted any more
grep -h level=error "$WORK"/*.log && fail "errors were logged"
check_stores "at the end" stop
say "all is well"
exit 0
