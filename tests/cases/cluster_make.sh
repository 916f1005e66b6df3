# limit: 120
# make cluster and make cluster-stop: a cluster on Unix sockets, mounted; whom it serves; again; with one store dead; of
# other stores; by mount(8) and fstab(5).
. tests/lib/mount.sh

CLUSTER=$WORK/cluster

run_make() {
	make -s BUILD="$BUILD" CLUSTER="$CLUSTER" MNT="$MNT" STORES="${STORES:-3}" "$@" >"$WORK/make.log" 2>&1
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

check run_make cluster
grep -q "stop .*make cluster-stop" "$WORK/make.log" || fail "it does not say how to stop"
for n in 1 2 3; do
	[ -d "$CLUSTER/$n/data" ] && [ -s "$CLUSTER/$n/log" ] && [ -s "$CLUSTER/$n/raftkvd.pid" ] || fail "store $n has no data, log or pid"
done
[ "$(findmnt -n -o FSTYPE "$MNT")" = fuse.raftkv ] || fail "it is not mounted"
cp -a proto "$MNT/" && diff -r proto "$MNT/proto" || fail "the files"

# Whom it serves: neither another user, nor one who is root in a namespace of its own, whatever the modes say.
addresses=$(cat "$CLUSTER/addresses")
[ "$(stat -c %a%u "$CLUSTER/run")" = 7000 ] || fail "the sockets' directory: $(stat -c '%a %u' "$CLUSTER/run")"
[ "$(stat -c %a "$CLUSTER/run/1.sock")" = 600 ] || fail "a socket: $(stat -c %a "$CLUSTER/run/1.sock")"
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$WORK/elsewhere" "$@"; }
as_false_root() { as_nobody unshare -Urm sh -c 'mount -t tmpfs none /var/lib && exec "$@"' sh "$@"; }
mkdir "$WORK/elsewhere"
chmod 777 "$WORK/elsewhere"
cp "$BUILD/raftkv" "$BUILD/mount.raftkv" "$WORK/" # where everybody may run them
refused() # WORDS COMMAND…
{
	local words=$1 output
	shift
	output=$("$@" 2>&1) && fail "not refused: $*: $output"
	grep -q -- "$words" <<<"$output" || fail "$*: no '$words' in: $output"
}
refuses_all() # WORDS AS
{
	local words=$1 as=$2 address=${addresses%%,*} verb
	for verb in status health 'store ls' 'store add 1' 'store drain 1' 'store rm 1' 'store replace 1' 'region ls' 'region show 1' \
		'region transfer 1 2' 'region add-peer 1 2' 'region rm-peer 1 2' 'top --count=1' config; do
		# shellcheck disable=SC2086 # the words of the verb
		refused "$words" "$as" "$WORK/raftkv" $verb "$address"
	done
	refused "$words" "$as" "$WORK/mount.raftkv" "$addresses" "$WORK/elsewhere" -o mount_timeout=4
	! mountpoint -q "$WORK/elsewhere" || fail "it was mounted"
}
stores() { "$BUILD/raftkv" store ls "$addresses" | awk '{ print $1, $3, $5 }'; }
all_are_heard() { ! "$BUILD/raftkv" store ls "$addresses" | grep -q 'not heard'; }
await 30 all_are_heard
stores >"$WORK/before"
grep -q "^3 up 1$" "$WORK/before" || fail "root is not served"
refuses_all 'Permission denied' as_nobody
chmod 755 "$CLUSTER/run"
chmod 666 "$CLUSTER"/run/*.sock
refuses_all 'refused: user 65534 may not: this store serves root alone' as_nobody
if as_false_root true 2>/dev/null; then
	refuses_all 'refused: user 65534 may not: this store serves root alone' as_false_root
fi
chmod 700 "$CLUSTER/run"
stores | diff "$WORK/before" - || fail "something was changed"
grep -q 'msg="a connection was refused" count=[1-9][0-9]* reason="user 65534 may not' "$CLUSTER/1/log" || fail "no refusal is logged"
[ "$(grep -c 'a connection was refused' "$CLUSTER/1/log")" -lt 14 ] || fail "each refusal is logged"

# The list is a source like any other.
echo "$addresses $WORK/elsewhere raftkv noauto,nofail 0 0" >"$WORK/fstab"
[ "$(findmnt --fstab --tab-file "$WORK/fstab" -n -o SOURCE "$WORK/elsewhere")" = "$addresses" ] || fail "fstab"
rm -rf "$WORK"/elsewhere/.??*
"$BUILD/mount.raftkv" "$addresses" "$WORK/elsewhere" -o noatime || fail "a second mount"
[ "$(findmnt -n -o SOURCE,FSTYPE "$WORK/elsewhere" | xargs)" = "$addresses fuse.raftkv" ] || fail "findmnt: $(findmnt "$WORK/elsewhere")"
diff -r proto "$WORK/elsewhere/proto" || fail "the second mount's files"
"$BUILD/umount.fuse.raftkv" "$WORK/elsewhere" || fail "umount"
"$BUILD/raftkv" status "$addresses" | grep -q '^cluster .*coordinated by store' || fail "status: $("$BUILD/raftkv" status "$addresses")"

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

# Paths that no socket or list can have.
CLUSTER=$WORK/$(printf '%0100d' 0) run_make cluster && fail "a path of more than 107 bytes"
grep -q "longer than the 107 bytes" "$WORK/make.log" || fail "it does not say why: $(cat "$WORK/make.log")"
CLUSTER=$WORK/a,b run_make cluster && fail "a comma"
grep -q "has a comma" "$WORK/make.log" || fail "it does not say why: $(cat "$WORK/make.log")"

# The end; a pid that is another process's by now is left alone.
check run_make cluster-stop
mountpoint -q "$MNT" && fail "it is still mounted"
pgrep -f "mount.raftkv .* $MNT\$" && fail "the mount's daemon is still there"
for pid in $before; do
	grep -aq raftkvd "/proc/$pid/cmdline" 2>/dev/null && fail "process $pid is still there"
done
sleep 10000 &
other=$!
echo "$other" >"$CLUSTER/1/raftkvd.pid"
check run_make cluster-stop
kill "$other" || fail "a process was ended that is no store"

# Everything is kept.
check run_make cluster
diff -r proto "$MNT/proto" && [ "$(cat "$MNT/on")" = on ] || fail "files were lost"
check run_make cluster-stop
