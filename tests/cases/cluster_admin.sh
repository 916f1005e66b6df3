# limit: 180
# A cluster of three is looked at, grown, drained, mended and shrunk through raftkv(1), while fio writes and verifies on a
# mount of it: what it says, its JSON, its exit codes, what it refuses; and a store that was removed, made anew or restored
# from an old copy is kept out.
command -v fio >/dev/null || { echo "needs fio"; exit 77; }
. tests/lib/mount.sh
STORES=6
. tests/lib/cluster.sh
. tests/lib/expect.sh
ADDRESSES=${ADDRESS[1]},${ADDRESS[2]},${ADDRESS[3]}

raftkv=$BUILD/raftkv
any=${ADDRESS[2]}
status_is() { [ "$("$raftkv" status --json "${2:-$any}" | jq -r "$1")" = true ]; }
join_up() { # N [OPTION…]
	local n=$1
	shift
	raftkvd_up "$n" --data "$WORK/store$n" --listen "${ADDRESS[n]}" --join "$any" "$@"
}
store_ended() { # N REASON
	kill -0 "${STORE_PIDS[$1]}" 2>/dev/null && return 1
	grep -q -- "$2" "$WORK/$1.log"
}
members() { echo "[.regions[0].members[] | select(.role == \"voter\").store] == [$1]"; }
leader() { "$raftkv" status --json "$any" | jq -r '.regions[0].leader_store'; }

# ---- Nobody is there ----
expect 3 "$raftkv" status "$any"
says 'does not answer\|refused'
expect 3 "$raftkv" store drain 3 "$ADDRESSES"
says 'see .raftkv health'
expect 1 "$raftkv" health --json "$ADDRESSES"
json '[.[].code] | unique | join(" ")' 'RKV101 RKV102'
expect 2 "$raftkv" store drain x "$any"
expect 2 "$raftkv" store drain 3
expect 2 "$raftkv" store ls --wait "$any"

# ---- Three stores ----
for n in 1 2 3; do store_up $n; done
for n in 1 2 3; do await 30 store_is_ready $n; done
await 30 status_is '([.stores[] | select(.alive)] | length) == 3 and .regions[0].leader_store > 0'
expect 0 "$raftkv" health "$any"
says '^healthy$'
for target in "$any" "$ADDRESSES" "$WORK/store3"; do
	expect 0 "$raftkv" status "$target"
	says "^ *1  ${ADDRESS[1]} .* up .* yes "
	expect 0 "$raftkv" status --json "$target"
	json '[.stores[].state] | join(" ")' 'up up up'
	json '.cluster | length' 16
	json "$(members 1,2,3)" true
	json '.regions[0] | .leader_store == .members[0].store or .leader_store > 0' true
done
json '.stores[0] | .incarnation, .replicas, .version != "", .space_total_bytes > 0' '1
1
true
true'
expect 0 "$raftkv" store ls --json "$any"
json length 3
expect 0 "$raftkv" region ls --json "$any"
json '.[0] | .id, .start, .next_step' '1
null
none'
expect 0 "$raftkv" region show 1 "$any"
says 'leads'
expect 3 "$raftkv" region show 9 "$any"
expect 0 "$raftkv" top --json --count=1 "$any"
json '.stores | length' 3

# ---- Settings of the cluster ----
expect 0 "$raftkv" cluster show "$any"
says '^replicas = 0 *; the coordinating store'
for wrong in replicas=65 replicas=-1 replicas= replicas=3x store_moves=0 colour=7 replicas; do
	expect 2 "$raftkv" cluster set "$wrong" "$any"
done
expect 2 "$raftkv" cluster set replicas=65 "$any"
says "a number from 0 to 64, or 'default', not '65'"
expect 0 "$raftkv" cluster set replicas=4 "$any" --dry-run
says 'not done'
expect 0 "$raftkv" health "$any"
expect 0 "$raftkv" cluster set replicas=4 "$any"
expect 0 "$raftkv" cluster set --json store_moves=8 "$any"
json '[.done, .name, .value] | join(" ")' 'true store_moves 8'
wants_four() { "$raftkv" health "$any" | grep -q '^RKV107 region 1 has 3 of 4 replicas$'; }
await 30 wants_four
expect 0 "$raftkv" cluster show --json "${ADDRESS[3]}"
json 'map("\(.name) \(.value) \(.is_set)") | join(", ")' 'replicas 4 true, store_dead_after_s 600 false, store_moves 8 true'
expect 0 "$raftkv" cluster set replicas=default "$any"
await 30 "$raftkv" health "$any"

# ---- What makes no sense ----
expect 3 "$raftkv" store drain 3 "$any"
says 'no other store could take .*raftkvd --join'
expect 3 "$raftkv" store rm 3 "$any"
says 'raftkv store drain 3. comes first'
expect 3 "$raftkv" store replace 3 "$any"
says 'is alive: .raftkv store drain 3'
expect 3 "$raftkv" store rm 9 "$any"
says 'no store 9'
expect 3 "$raftkv" region transfer 1 9 "$any"
says 'no replica'
expect 3 "$raftkv" region transfer 7 1 "$any"
says 'no store says that it leads region 7'
expect 3 "$raftkv" region rm-peer 1 "$(leader)" "$any"
says 'raftkv region transfer'
expect 3 "$raftkv" region add-peer 1 2 "$any"
says 'has a replica already'

# ---- Leadership ----
to=$(($(leader) % 3 + 1))
expect 0 "$raftkv" region transfer --dry-run 1 $to "$any"
says 'not done'
expect 0 "$raftkv" region transfer 1 $to "$any"
await 30 status_is ".regions[0].leader_store == $to"

# ---- A store whose directory was wiped is not that store ----
store_kill 3
mv "$WORK/store3" "$WORK/aside"
store_up 3
await 30 store_ended 3 'made anew'
STORE_PIDS[3]=
rm -r "$WORK/store3"
mv "$WORK/aside" "$WORK/store3"
: >"$WORK/3.log"
store_up 3
await 30 store_is_ready 3
await 30 status_is '.stores[2] | .alive and .incarnation == 2'

# ---- Under load from here on ----
# Again and again until $WORK/enough is there; what goes wrong is kept.
load() {
	local round=0
	until [ -e "$WORK/enough" ]; do
		fio --name=load --directory="$WORK/mnt" --size=2m --bs=4k --rw=randwrite --randseed=$round --verify=crc32c --verify_fatal=1 \
			--verify_state_save=0 --fsync=32 --output="$WORK/fio.log" || { cp "$WORK/fio.log" "$WORK/fio.bad"; return; }
		echo $((round += 1)) >"$WORK/rounds"
	done
}
cluster_mount mnt
await 30 status_is '.sessions[0].mount | endswith("/mnt")'
expect 0 "$raftkv" store ls "$WORK/mnt"
load &
load=$!
rounds() { [ "$(cat "$WORK/rounds")" -ge "$1" ]; }
await 30 rounds 1

# ---- A fourth one comes, the third one goes ----
join_up 4
await 30 store_is_ready 4 # so that the cluster counts on it
expect 0 "$raftkv" store drain --dry-run 3 "$any"
status_is '(.stores[3] | .alive and .replicas == 0) and (.stores | length) == 4' || fail 'a store that is ready is not alive'
says 'not done'
status_is '.stores[2].state == "up"' || fail 'a dry run drains'
expect 0 "$raftkv" store drain --wait --json 3 "$any"
json '.done, .store' 'true
3'
await 30 status_is "$(members 1,2,4)"
expect 0 "$raftkv" store rm 3 "$any"
await 30 store_ended 3 'was removed or lost'
STORE_PIDS[3]=
expect 3 "$raftkv" store add 3 "$any"
says 'no store 3'

# It stays out, and its address is free.
: >"$WORK/3.log"
store_up 3
await 30 store_ended 3 'was removed or lost'
STORE_PIDS[3]=
rm -r "$WORK/store3"
join_up 3
await 30 store_is_ready 3
await 30 status_is '[.stores[].id] == [1,2,4,5]'

# ---- A store is lost: another one on its address ----
store_kill 4
await 30 status_is '.stores[2].alive | not'
complaints() { [ "$("$raftkv" health --json "$any" | jq -r 'map(.code) | sort | join(" ")')" = "$1" ]; }
await 30 complaints 'RKV102 RKV103'
status_is "$(members 1,2,4)" || fail 'a silent store was replaced by itself'
rm -r "$WORK/store4"
"$BUILD/raftkvd" --config /dev/null --insecure --data "$WORK/store4" --listen "${ADDRESS[4]}" --join "$any" 2>"$WORK/err" && fail 'two stores with one address'
says 'raftkv store replace 4'
expect 0 "$raftkv" store replace --wait 4 5 "$any"
await 30 status_is "$(members 1,2,5)"
await 30 status_is '[.stores[].id] == [1,2,5]'
join_up 4
await 30 store_is_ready 4
await 30 status_is '[.stores[].id] == [1,2,5,6]'
await 30 "$raftkv" health "$any"

# ---- The load saw nothing of it ----
await 30 rounds $(($(cat "$WORK/rounds") + 1))
touch "$WORK/enough"
wait $load
[ ! -e "$WORK/fio.bad" ] || fail "fio: $(grep -iE 'verify|error' "$WORK/fio.bad" | head -n 5)"
[ "$(ls "$WORK/mnt")" = load.0.0 ] || fail "the mount has $(ls "$WORK/mnt")"
cluster_umount mnt
await 30 status_is '.sessions == []'

# ---- By hand: one more, one less ----
expect 0 "$raftkv" region add-peer 1 6 "$any"
says 'votes'
await 30 status_is "$(members 1,2,5,6)"
expect 0 "$raftkv" region transfer 1 1 "$any"
await 30 status_is '.regions[0].leader_store == 1'
expect 0 "$raftkv" region rm-peer 1 6 "$any"
await 30 status_is "$(members 1,2,5)"

# ---- A store moves, and an old copy of it turns up ----
store_down 2
any=${ADDRESS[1]}
cp -a "$WORK/store2" "$WORK/copy"
for life in 2 3; do
	raftkvd_up 2 --data "$WORK/store2" --listen "${ADDRESS[6]}" --join "$any"
	await 30 status_is ".stores[1] | .alive and .incarnation == $life and .address == \"${ADDRESS[6]}\""
	store_down 2
done
: >"$WORK/2.log"
raftkvd_up 2 --data "$WORK/copy" --listen "${ADDRESS[6]}" --join "$any"
await 30 store_ended 2 'old copy'
STORE_PIDS[2]=
status_is '.stores[1].incarnation == 3' || fail 'the copy was let in'
raftkvd_up 2 --data "$WORK/store2" --listen "${ADDRESS[6]}" --join "$any"
await 30 status_is '.stores[1].incarnation == 4'

# ---- Most are gone ----
for n in 1 2 3; do store_down $n; done
unhealthy() { "$raftkv" health --json "$any" | jq -e 'map(.code) | index("RKV101")'; }
: >"$WORK/1.log"
store_up 1
await 30 store_is_ready 1
unhealthy || fail 'one of three keeps a cluster'

# One that was made anew does not help the first one to a majority, though nobody leads who could say so: its vote would
# be worth nothing. The first one tells it, and it ends.
mv "$WORK/store2" "$WORK/aside"
: >"$WORK/2.log"
store_up 2
await 30 store_ended 2 'made anew'
STORE_PIDS[2]=
unhealthy || fail 'a vote of a store that was made anew counts'
rm -r "$WORK/store2"
mv "$WORK/aside" "$WORK/store2"
raftkvd_up 2 --data "$WORK/store2" --listen "${ADDRESS[6]}" --join "$any"
await 30 status_is '.regions[0].leader_store > 0'
exit 0
