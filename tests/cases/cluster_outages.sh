# limit: 240
# A cluster of three stores under load from a mount: its leader is killed again and again, then all three at once. What
# was acknowledged is there, nothing was done twice, and service comes back quickly. A minority makes requests wait, and
# answers them when the majority is back.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount mnt
cluster_mount impatient timeo=2
all=$ADDRESSES ADDRESSES=${ADDRESS[$(store_leader)]}
cluster_mount narrow # knows one store, which is the first to be killed
ADDRESSES=$all
base=$WORK/mnt
workers=()
for worker in 1 2 3 4; do
	python3 tests/lib/journaled_load.py run "$base/$worker" "$WORK/journal.$worker" "$worker" &
	workers+=($!)
done

acknowledged() { cat "$WORK"/journal.* 2>/dev/null | grep -c '^done'; }
progress() { [ "$(acknowledged)" -gt "$1" ]; }
await 30 progress 100

# From the death of the leader to the next operation that is acknowledged: on an idle machine two election timeouts, 3 s, or
# 4 s drawn at random.
for round in 1 2 3; do
	leader=$(store_leader)
	lives=$(grep -c 'msg="ready"' "$WORK/$leader.log")
	store_kill "$leader"
	before=$(acknowledged) begin=$EPOCHREALTIME
	await 30 progress $((before + 8)) # more than what was on its way
	"$BUILD/raftkv" status "$WORK/narrow" >"$WORK/status" 2>&1 || fail "status of a mount without store $leader: $(cat "$WORK/status")"
	grep -q '^cluster .*, coordinated by store ' "$WORK/status" || fail "nobody tells of the cluster: $(cat "$WORK/status")"
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "fail-over: %.1f s\n", b - a }'
	store_up "$leader"
	await 30 store_is_ready "$leader" $((lives + 1))
	await 30 progress $(($(acknowledged) + 50))
done

# All three at once.
for n in 1 2 3; do store_kill $n; done
before=$(acknowledged)
sleep 1
for n in 1 2 3; do store_up $n; done
await 30 progress $((before + 50))

# One of three cannot serve: who asks waits, and gets its answer later.
leader=$(store_leader)
for n in 1 2 3; do [ "$n" = "$leader" ] || store_kill $n; done
sleep 3
(stat "$base/1" >"$WORK/waiting" 2>&1) & waiting=$!
sleep 2
kill -0 $waiting 2>/dev/null || fail "a minority answered: $(cat "$WORK/waiting")"
begin=$EPOCHREALTIME
within 60 mkdir "$WORK/impatient/new" 2>"$WORK/late" && fail "a minority made a directory"
grep -q "Connection timed out" "$WORK/late" || fail "timeo=2: $(cat "$WORK/late")"
awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a < 1.9 }' || fail "timeo=2 took from $begin to $EPOCHREALTIME"
"$BUILD/raftkv" health "$base" | grep -q RKV008 || fail "the mount does not say that it waits: $("$BUILD/raftkv" status "$base")"
for n in 1 2 3; do [ "$n" = "$leader" ] || store_up $n; done
wait $waiting || fail "what waited failed: $(cat "$WORK/waiting")"
await 30 progress $(($(acknowledged) + 50))
"$BUILD/raftkv" health "$base" | grep -q RKV008 && fail "the mount says that it waits"

# A mount that did not run for longer than its period has lost its session, says so, and goes on with another. Data that
# was not synced is lost with it, and fsync says so.
python3 tests/lib/lost_data.py session "$WORK/impatient/lost" "${MOUNT_PIDS[impatient]}" "$WORK"/[123].log || fail "lost data"
await 30 grep -q "the cluster has ended this mount's session" "$WORK/impatient.log"
await 30 mkdir -p "$WORK/impatient/after" # each try has two seconds
await 30 sh -c "rmdir '$WORK/impatient/after' 2>/dev/null; [ ! -e '$WORK/impatient/after' ]"

for worker in "${workers[@]}"; do kill "$worker"; done
for worker in "${workers[@]}"; do wait "$worker" 2>/dev/null; done
for worker in 1 2 3 4; do
	python3 tests/lib/journaled_load.py check "$base/$worker" "$WORK/journal.$worker" || fail "worker $worker"
done
grep -q "ended this mount's session" "$WORK/mnt.log" && fail "the mount lost its session"
cluster_umount mnt
cluster_mount mnt
for worker in 1 2 3 4; do
	python3 tests/lib/journaled_load.py check "$base/$worker" "$WORK/journal.$worker" || fail "worker $worker, mounted again"
done
[ ! -e "$WORK/impatient/new" ] || rmdir "$WORK/impatient/new" # nobody knew
cluster_umount mnt
cluster_umount impatient
cluster_umount narrow
for n in 1 2 3; do store_down $n; done
grep -h level=error "$WORK"/*.log | grep -vE "ended this mount's session|session unknown|could not be written" &&
	fail "errors were logged"
echo "$(acknowledged) operations acknowledged, all there, none twice"
