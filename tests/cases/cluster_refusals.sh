# limit: 120
# Clusters that cannot be mounted: one line says what is wrong when mount_timeout has passed, and the exit code is that of
# mount(8).
. tests/lib/mount.sh
. tests/lib/cluster.sh

timeout=$((4 * ${RAFTKV_PATIENCE:-1})) # the daemon says why a second and a half before
refuses() # WORDS SOURCE
{
	local output status
	output=$(within $((timeout + 60)) "$BUILD/mount.raftkv" "$2" "$MNT" -o mount_timeout=$timeout 2>&1)
	status=$?
	[ "$status" = 32 ] || fail "$2: exit $status: $output"
	[ "$(wc -l <<<"$output")" = 1 ] || fail "$2: more than one line: $output"
	case $output in *"$1"*) ;; *) fail "$2: no '$1' in: $output" ;; esac
	mountpoint -q "$MNT" && fail "$2: mounted"
}

refuses "${ADDRESS[1]}: Connection refused" "${ADDRESS[1]}"
refuses 'there is no such host, or no way to it' nowhere.invalid:7420

# A port that listens and never speaks, and one that speaks something else.
python3 - "$WORK/ports" <<'END' &
import socket, sys, threading
silent, chatty = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
with open(sys.argv[1] + ".new", "w") as file:
    print(silent.getsockname()[1], chatty.getsockname()[1], file=file)
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    connection, _ = chatty.accept()
    connection.sendall(b"220 mail.example.org ESMTP at your service, whatever you may have to say\r\n" * 4)
END
STORE_PIDS[0]=$!
await 30 test -f "$WORK/ports"
read -r silent chatty <"$WORK/ports"
refuses 'nothing there answers as a store does' "127.0.0.1:$silent"
refuses "127.0.0.1:$chatty: " "127.0.0.1:$chatty"
"$BUILD/raftkv" status "127.0.0.1:$silent" 2>&1 | grep -q "$silent does not answer: Connection timed out" ||
	fail "raftkv status of a port that never speaks: $("$BUILD/raftkv" status "127.0.0.1:$silent" 2>&1)"

# One of three is no cluster.
store_up 1
await 30 store_is_ready 1
refuses "the cluster has had no leader for $((timeout - 2)) s: are most of its stores up?" "$ADDRESSES"

# Whoever is mounted first says which cluster it is: stores of another are left alone.
store_up 2
store_up 3
for n in 2 3; do await 30 store_is_ready $n; done
await 30 grep -q 'this store coordinates the cluster' "$WORK"/[123].log
"$BUILD/raftkvd" --config /dev/null --insecure --data "$WORK/other" --listen "127.0.0.1:$((PORT_BASE + 9))" \
	--initial-cluster "127.0.0.1:$((PORT_BASE + 9))" 2>"$WORK/other.log" &
STORE_PIDS[4]=$!
await 30 grep -q 'this store coordinates the cluster' "$WORK/other.log"
mount_of() { findmnt -no SOURCE "$MNT"; }
for _ in 1 2 3; do
	"$BUILD/mount.raftkv" "$ADDRESSES,127.0.0.1:$((PORT_BASE + 9))" "$MNT" || fail "a cluster and a stranger"
	mkdir -p "$MNT/of three" || fail "mkdir"
	[ "$(ls "$MNT")" = "of three" ] || fail "another cluster's files: $(ls "$MNT")"
	"$BUILD/umount.fuse.raftkv" "$MNT" || fail "umount"
done
exit 0
