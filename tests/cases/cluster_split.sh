# limit: 180
# Regions of a cluster of three are split through raftkv(1) while a writer runs on a mount, by path and by id, while
# stores are killed and restarted: what it says, its JSON, what it refuses; afterwards every file is there, and each
# store is sound.
. tests/lib/mount.sh
. tests/lib/cluster.sh
. tests/lib/expect.sh

raftkv=$BUILD/raftkv
any=$ADDRESSES
DIRECTORIES=8
regions() { "$raftkv" region ls --json "$any" | jq -r "$1"; }
has_regions() { [ "$(regions length)" = "$1" ]; }
all_led() { [ "$(regions 'map(.leader_store > 0) | all')" = true ]; }
is_split() { [ "$(regions length)" -gt "$1" ]; }
# Refusals may be for a moment: a region has no leader yet, or has just been split.
splits() { "$raftkv" region split --json "$@" >"$WORK/out" 2>"$WORK/err"; }

stores_up
cluster_mount mnt
MOUNT=$WORK/mnt
for i in $(seq 0 $((DIRECTORIES - 1))); do
	mkdir "$MOUNT/d$i"
	for k in 1 2 3; do echo "$i $k" >"$MOUNT/d$i/f$k" || fail "d$i/f$k"; done
done
expect 0 "$raftkv" region ls --json "$any"
json length 1

# ---- What makes no sense ----
expect 2 "$raftkv" region split
expect 2 "$raftkv" region split 1
says 'a TARGET is missing'
expect 2 "$raftkv" region split "$MOUNT/d0/f1"
says 'is no directory'
expect 2 "$raftkv" region split "$MOUNT"
says 'the first region begins'
expect 2 "$raftkv" region split "$WORK"
says 'in no mount of raftkv'
expect 2 "$raftkv" region split "$WORK/none" "$any"
says 'no path'
expect 2 "$raftkv" region split dirid:0x1000000000 "$any"
says 'no dirid'
expect 3 "$raftkv" region split 9 "$any"
says 'no region 9; see .raftkv region ls'
expect 3 "$raftkv" region split dirid:9 "$any"
says 'half with less than 65536 dirids'
expect 0 "$raftkv" region split --dry-run 1 "$any"
says 'region 1 would be split at dirid:0x800000000 (not done)'
has_regions 1 || fail 'a dry run splits'

# ---- By id and by path, while a writer runs ----
write_files() {
	local n=0
	until [ -e "$WORK/enough" ]; do
		echo "$n" >"$MOUNT/d$((n % DIRECTORIES))/w$n" || { echo "w$n" >"$WORK/bad"; return; }
		n=$((n + 1))
		echo $n >"$WORK/written"
	done
}
echo 0 >"$WORK/written"
write_files &
writer=$!
written() { [ "$(cat "$WORK/written")" -ge "$1" ]; }
await 60 written 20

expect 0 "$raftkv" region split --json 1 "$any"
json '.done, .region, .dirid, .new_region' 'true
1
34359738368
4294967296'
has_regions 2 || fail "the split is not to be seen: $(regions .)"
expect 3 "$raftkv" region split dirid:34359738368 "$any"
says 'region 4294967296 begins there already'
expect 3 "$raftkv" region split dirid:34359738369 "$any"
says 'half with less'

before=$(regions length)
await 60 splits "$MOUNT/d0"
json '.done, (.new_region > 4294967296)' 'true
true'
dirid=$(jq -r .dirid "$WORK/out")
is_split "$before" || fail 'd0 begins no region'
expect 0 "$raftkv" region show --json "$MOUNT/d0"
json '.[0] | .id, .start, (.members | length)' "$(regions ".[] | select(.start == \"$(printf %010x "$dirid")\") | .id, .start, 3")"
expect 0 "$raftkv" region show "dirid:$dirid" "$any"
says 'leads'
expect 0 "$raftkv" region show --json "$MOUNT/d0/f1"
expect 3 "$raftkv" region show 99 "$any"
says 'no region 99'
await 60 written $(($(cat "$WORK/written") + 20))

# ---- Stores are killed meanwhile ----
for round in 1 2 3; do
	victim=$("$raftkv" status --json "$any" | jq -r .coordinator)
	before=$(regions length)
	largest=$(regions 'last | .id')
	splits "$largest" "$any" &
	asked=$!
	store_kill "$victim"
	: >"$WORK/$victim.log"
	wait $asked
	await 60 splits "$MOUNT/d$round"
	await 60 is_split "$before"
	store_up "$victim"
	await 60 store_is_ready "$victim"
	await 60 all_led
	other=$((victim % 3 + 1))
	store_down $other
	: >"$WORK/$other.log"
	store_up $other
	await 60 store_is_ready $other
	await 60 all_led
	await 60 written $(($(cat "$WORK/written") + 20))
done

# ---- It is told shortly ----
count=$(regions length)
expect 0 "$raftkv" region ls --limit=2 "$any"
says "and $((count - 2)) more: --all prints them"
expect 0 "$raftkv" region ls --all "$any"
[ "$(wc -l <"$WORK/out")" = $((count + 1)) ] || fail "not all: $(cat "$WORK/out")"
# A leader may just be moved.
status_is() { "$raftkv" status --json "$any" | jq -e "$1" >"$WORK/out"; }
await 60 status_is "([.stores[].replicas] | unique) == [$count] and ([.stores[].leaders] | add) == $count"
[ "$(regions '[.[].start] == ([.[].start] | sort)')" = true ] || fail 'the regions are in no order'
[ "$(regions '[.[1:][].start] == [.[:-1][].end]')" = true ] || fail "the regions leave a gap: $(regions .)"
await 60 "$raftkv" health "$any"

# ---- Every file is there ----
touch "$WORK/enough"
wait $writer
[ ! -e "$WORK/bad" ] || fail "the writer failed at $(cat "$WORK/bad")"
verify() {
	local n last=$(($(cat "$WORK/written") - 1))
	for n in $(seq 0 "$last"); do
		[ "$(cat "$MOUNT/d$((n % DIRECTORIES))/w$n")" = "$n" ] || fail "w$n is '$(cat "$MOUNT/d$((n % DIRECTORIES))/w$n")'"
	done
	for i in $(seq 0 $((DIRECTORIES - 1))); do
		[ "$(cat "$MOUNT/d$i"/f*)" = "$i 1
$i 2
$i 3" ] || fail "d$i has lost a file"
	done
}
verify
for i in 0 1 2 3; do # most of them are in different regions
	within 60 mv "$MOUNT/d$i/f1" "$MOUNT/d$((i + 4))/moved" || fail "d$i/f1 cannot be moved: $(tail -n 3 "$WORK/mnt.log")"
	within 60 mv "$MOUNT/d$((i + 4))/moved" "$MOUNT/d$i/f1" || fail "d$i/f1 cannot be moved back"
done
verify
cluster_umount mnt
cluster_mount mnt
verify
for i in $(seq 0 $((DIRECTORIES - 1))); do
	within 30 sh -c "echo later >'$MOUNT/d$i/later'" || fail "no new file in d$i: $(tail -n 3 "$WORK/mnt.log")"
done
cluster_umount mnt
for n in 1 2 3; do store_down $n; done
for n in 1 2 3; do
	"$BUILD/fsck.raftkv" "$WORK/store$n" >"$WORK/fsck" 2>&1 || fail "store $n: $(cat "$WORK/fsck")"
done

# ---- A cluster that begins with several regions ----
for n in 1 2 3; do
	rm -r "$WORK/store$n"
	: >"$WORK/$n.log"
done
STORE_OPTIONS+=(--server.initial_regions=4)
stores_up
await 60 all_led
[ "$(regions '[.[] | .start // "-", .end // "-"] | join(" ")')" = '- 0400000000 0400000000 0800000000 0800000000 0c00000000 0c00000000 -' ] || fail "the first regions are $(regions .)"
expect 0 "$raftkv" region split --json 4 "$any"
json .new_region 4294967296
store_down 3
: >"$WORK/3.log"
store_up 3 --server.initial_regions=2
has_ended_so() { ! kill -0 "${STORE_PIDS[3]}" 2>/dev/null && grep -q 'belongs to cluster' "$WORK/3.log"; }
await 60 has_ended_so
STORE_PIDS[3]=
store_up 3
await 60 store_is_ready 3
for n in 1 2 3; do store_down $n; done
exit 0
