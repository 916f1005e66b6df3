# limit: 120
# While no majority is there requests wait: whoever waits can be killed or interrupted, and a program with timers is not
# told EINTR. Mounts end without the cluster, too, and say what is lost.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount mnt
base=$WORK/mnt
mkdir "$base"/{a,b,c,d,e,f,g}
echo data | tee "$base/a/file" "$base/e/lock" "$base/f/file" >/dev/null

python3 tests/lib/alarmed.py "$base/b/file" "$WORK/stop" "$WORK/rounds" & alarmed=$!
await 60 test -s "$WORK/rounds"

# Data that is acknowledged and not written out when the end comes: the exit of its process has to close the file.
python3 tests/lib/dirty.py "$base/c/dirty" "$WORK/c" "$WORK/c.go" & dirty=$!
await 30 test -e "$WORK/c.ready"

# A program that handles SIGINT, as servers do, gets out of fsync with it.
python3 tests/lib/dirty.py "$base/g/handled" "$WORK/g" "$WORK/c.go" sync & handled=$!
await 30 test -e "$WORK/g.ready"

first=$(store_leader) # its lease would serve reads for a while
second=$((first % 3 + 1))
store_kill "$first"
store_kill "$second"
touch "$WORK/c.go"
stat "$base/a/file" >/dev/null 2>&1 & waiting=($!)
mkdir "$base/d/new" 2>/dev/null & waiting+=($!)
flock "$base/e/lock" true 2>/dev/null & waiting+=($!)
(echo more >>"$base/f/file") 2>/dev/null & waiting+=($!)
waiting+=("$dirty")
await 60 test -e "$WORK/c.written"
await 60 test -e "$WORK/g.written"
stands_still() { # what has timers is in the middle of a call, and has been for a while
	local rounds
	rounds=$(wc -c <"$WORK/rounds")
	sleep 2.5
	[ "$(wc -c <"$WORK/rounds")" = "$rounds" ]
}
await 60 stands_still
for pid in "${waiting[@]}"; do
	kill -0 "$pid" 2>/dev/null || fail "process $pid did not wait for the majority"
done
kill "${waiting[0]}" # SIGTERM
for pid in "${waiting[@]:1}"; do kill -9 "$pid"; done
for pid in "${waiting[@]}"; do
	await 30 has_ended "$pid"
done
kill -INT "$handled"
await 30 has_ended "$handled"
wait "$handled" || fail "SIGINT did not end the fsync"
kill -0 "$alarmed" || fail "what has timers has ended: $(wait "$alarmed")"

store_up "$first"
store_up "$second"
await 30 store_is_ready "$first" 2
await 30 sh -c "cat '$base/a/file'"
await 30 sh -c "[ \$(stat -c %s '$base/c/dirty') = 100000 ]" # what was acknowledged is written all the same
touch "$WORK/stop"
wait "$alarmed" || fail "a call under SIGALRM failed"
cluster_umount mnt
grep -h level=error "$WORK"/*.log && fail "errors were logged"

# The cluster is gone for good: one mount is unmounted, one ends by a signal, one by force.
leave_dirty() # MOUNT: a file with data that is not written out, and nobody who has it open
{
	python3 tests/lib/dirty.py "$WORK/$1/$1" "$WORK/$1" "$WORK/gone" & writer[$1]=$!
	await 30 test -e "$WORK/$1.ready"
}
declare -A writer
for mount in plain signal force; do
	cluster_mount "$mount"
	leave_dirty "$mount"
done
for n in 1 2 3; do store_kill "$n"; done
touch "$WORK/gone"
for mount in plain signal force; do
	await 30 test -e "$WORK/$mount.written"
	kill -9 "${writer[$mount]}"
	await 30 has_ended "${writer[$mount]}"
done
"$BUILD/umount.fuse.raftkv" "$WORK/plain" || fail "umount"
kill "${MOUNT_PIDS[signal]}"
"$BUILD/umount.fuse.raftkv" "$WORK/force" -f || fail "umount -f"
for mount in plain signal force; do
	await 30 has_ended "${MOUNT_PIDS[$mount]}"
	grep -q 'not synced is lost" files=1 bytes=' "$WORK/$mount.log" || fail "$mount: $(cat "$WORK/$mount.log")"
done
exit 0
