# limit: 300
# Five stores and sixteen regions, which many of them lead: the store that coordinates dies, and what it had is made on others;
# another one is drained and taken out, while files are written on a mount. Then every store that is left is sound.
. tests/lib/mount.sh
STORES=5
. tests/lib/cluster.sh
ADDRESSES=${ADDRESS[1]},${ADDRESS[2]},${ADDRESS[3]}

raftkv=$BUILD/raftkv
any=${ADDRESS[1]},${ADDRESS[2]},${ADDRESS[3]},${ADDRESS[4]},${ADDRESS[5]}
STORE_OPTIONS+=(--server.store_dead_after_s=10)
status_is() { [ "$("$raftkv" status --json "$any" | jq -r "$1")" = true ]; }
# All regions have three voters, nobody else, and none on store $1.
are_placed() {
	status_is "(.regions | length) == 16 and ([.regions[] | select(.leader_store > 0 and
		([.members[].role] == [\"voter\", \"voter\", \"voter\"]) and
		([.members[].store] | index($1) | not))] | length) == 16"
}
# The leaders are on several stores, with at most six on one.
are_spread() { status_is '[.stores[] | select(.alive).leaders] | max <= 6 and add == 16'; }

for n in 1 2 3; do store_up $n --server.initial_regions=16 --server.labels=zone=$n; done
for n in 1 2 3; do await 60 store_is_ready $n; done
await 60 grep -q 'this store coordinates the cluster' "$WORK"/[1-3].log
for n in 4 5; do # one after the other: each gets the next number
	raftkvd_up $n --data "$WORK/store$n" --listen "${ADDRESS[n]}" --join "$ADDRESSES" --server.labels=zone=$n,host=h$n
	await 60 store_is_ready $n
done
await 60 status_is '[.stores[].labels] == ["zone=1", "zone=2", "zone=3", "zone=4,host=h4", "zone=5,host=h5"]'
# Each store finds the coordinator, those without a replica of region 1, too.
for n in 1 2 3 4 5; do
	"$raftkv" status "${ADDRESS[n]}" >"$WORK/out" 2>&1 || fail "store $n alone was asked: $(cat "$WORK/out")"
done
ADDRESSES=$any
cluster_mount one
await 90 are_spread

write_on() {
	local i=0
	until [ -e "$WORK/enough" ]; do
		mkdir "$WORK/one/d$i" && seq $i $((i + 2000)) >"$WORK/one/d$i/f" || touch "$WORK/failed"
		i=$((i + 1))
		echo $i >"$WORK/written"
		sleep 0.1
	done
}
write_on &
writer=$!

# ---- The coordinator dies ----
dead=$(store_leader)
store_kill "$dead"
await 120 are_placed "$dead"
await 90 are_spread
"$raftkv" store rm "$dead" "$any" >"$WORK/out" 2>&1 && fail "a store that is not drained was removed"

# ---- Another one is drained ----
drained=$((dead % 3 + 1))
within 200 "$raftkv" store drain --wait $drained "$any" >"$WORK/out" 2>&1 || fail "the drain: $(cat "$WORK/out")"
await 60 are_placed $drained
await 60 "$raftkv" store rm $drained "$any"
await 60 has_ended "${STORE_PIDS[drained]}"
wait "${STORE_PIDS[drained]}"
STORE_PIDS[drained]=

# ---- The dead one's data is lost, too: nothing of it is missed ----
"$raftkv" store replace "$dead" "$any" >"$WORK/out" 2>&1 || fail "the replacement: $(cat "$WORK/out")"
await 60 status_is "[.stores[].id] == ([1, 2, 3, 4, 5] - [$dead, $drained])"

touch "$WORK/enough"
wait $writer
[ ! -e "$WORK/failed" ] || fail "an operation failed meanwhile"
for i in $(seq 0 $(($(cat "$WORK/written") - 1))); do
	seq "$i" $((i + 2000)) | cmp -s - "$WORK/one/d$i/f" || fail "d$i/f is not what was written"
done
cluster_umount one
rm "$WORK/$drained.log" # it says at its end that it is not wanted any more
grep -h level=error "$WORK"/*.log && fail "errors were logged"
for n in 1 2 3 4 5; do
	[ "$n" = "$dead" ] || [ "$n" = $drained ] || store_down "$n"
done
for n in 1 2 3 4 5; do
	[ "$n" = "$dead" ] || [ "$n" = $drained ] ||
		"$BUILD/fsck.raftkv" -n "$WORK/store$n" >"$WORK/fsck.log" 2>&1 || fail "fsck of store $n: $(cat "$WORK/fsck.log")"
done
