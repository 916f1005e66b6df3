# limit: 120
# make cluster and make cluster-stop: a cluster on loopback, mounted; again; with one store dead; of other stores.
. tests/lib/mount.sh

CLUSTER=$WORK/cluster
PORT=$((20000 + RANDOM % 20000))

run_make() {
	make -s BUILD="$BUILD" CLUSTER="$CLUSTER" MNT="$MNT" PORT="$PORT" STORES="${STORES:-3}" "$@" >"$WORK/make.log" 2>&1
}

end_stores() {
	run_make cluster-stop
	for file in "$CLUSTER"/[0-9]/raftkvd.pid; do
		[ -f "$file" ] && grep -q raftkvd "/proc/$(cat "$file")/comm" 2>/dev/null && kill -9 "$(cat "$file")"
	done
	clean_up
}
trap end_stores EXIT

check() { "$@" || fail "$*: $(tail -n 5 "$WORK/make.log")"; }
pids() { cat "$CLUSTER"/[123]/raftkvd.pid; }

began=$SECONDS
check run_make cluster
[ $((SECONDS - began)) -lt 60 ] || fail "it took $((SECONDS - began)) s"
grep -q "stop .*make cluster-stop" "$WORK/make.log" || fail "it does not say how to stop"
for n in 1 2 3; do
	[ -d "$CLUSTER/$n/data" ] && [ -s "$CLUSTER/$n/log" ] && [ -s "$CLUSTER/$n/raftkvd.pid" ] || fail "store $n has no data, log or pid"
done
[ "$(findmnt -n -o FSTYPE "$MNT")" = fuse.raftkv ] || fail "it is not mounted"
cp -a proto "$MNT/" && diff -r proto "$MNT/proto" || fail "the files"

# Again, while it runs: nothing is started anew.
before=$(pids)
check run_make cluster
[ "$(pids)" = "$before" ] || fail "stores were started twice"

# One store dies; it comes back by the same command.
kill -9 "$(cat "$CLUSTER/2/raftkvd.pid")"
echo on >"$MNT/on" || fail "it does not go on without one store"
check run_make cluster
[ "$(pids | sed -n '1p;3p')" = "$(sed -n '1p;3p' <<<"$before")" ] || fail "the others were started again"
[ "$(pids | sed -n 2p)" != "$(sed -n 2p <<<"$before")" ] || fail "the dead one was not"

# All of them die, and the mount waits.
for pid in $(pids); do kill -9 "$pid"; done
sleep 1.5
check run_make cluster
[ "$(cat "$MNT/on")" = on ] || fail "the mount does not come back with its stores"
before=$(pids)

# Another list is another cluster.
STORES=1 run_make cluster && fail "a cluster of three was taken for one of one"
grep -q "began with" "$WORK/make.log" || fail "it does not say why: $(cat "$WORK/make.log")"

# The end; a pid that is another process's by now is left alone.
check run_make cluster-stop
mountpoint -q "$MNT" && fail "it is still mounted"
pgrep -f "mount.raftkv .* $MNT\$" && fail "the mount's daemon is still there"
for pid in $before; do
	grep -aq raftkvd "/proc/$pid/cmdline" 2>/dev/null && fail "process $pid is still there"
done
sleep 100 &
other=$!
echo "$other" >"$CLUSTER/1/raftkvd.pid"
check run_make cluster-stop
kill "$other" || fail "a process was ended that is no store"

# Everything is kept.
check run_make cluster
diff -r proto "$MNT/proto" && [ "$(cat "$MNT/on")" = on ] || fail "files were lost"
check run_make cluster-stop
