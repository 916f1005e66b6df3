# limit: 120
# raftkvd: what it refuses and why, how it ends, and that stores of different clusters keep apart.
. tests/lib/mount.sh
. tests/lib/cluster.sh

refuses() # STATUS REASON OPTION…
{
	local wanted=$1 reason=$2
	shift 2
	"$BUILD/raftkvd" --config /dev/null "$@" 2>"$WORK/err" </dev/null &
	STORE_PIDS[0]=$!
	wait $!
	[ $? = "$wanted" ] || fail "raftkvd $*: another status than $wanted: $(cat "$WORK/err")"
	STORE_PIDS[0]=
	grep -q -- "$reason" "$WORK/err" || fail "raftkvd $*: '$(cat "$WORK/err")' does not say '$reason'"
	[ "$(grep -vc " level=info " "$WORK/err")" = 1 ] || fail "raftkvd $*: not one line: $(cat "$WORK/err")"
}

"$BUILD/raftkvd" --help | grep -q -- --initial-cluster || fail 'no help'
"$BUILD/raftkvd" --version | grep -q '^raftkvd [0-9]' || fail 'no version'
data=$WORK/store1
refuses 2 '--data DIRECTORY is needed' --initial-cluster "$ADDRESSES"
refuses 2 '--initial-cluster LIST is needed' --data "$data"
refuses 2 'is not in the list' --data "$data" --listen 127.0.0.1:1 --initial-cluster "$ADDRESSES"
refuses 2 'is no address' --data "$data" --initial-cluster nonsense
refuses 2 'unknown key' --data "$data" --server.colour=red
for host in 0.0.0.0 127.0.0.1 '[::1]' localhost; do
	refuses 1 'is a port, nothing is encrypted yet.*unix:/PATH.*--insecure' --data "$data" --listen "$host:$((PORT_BASE + 9))" \
		--advertise "${ADDRESS[1]}" --initial-cluster "$ADDRESSES"
done
long=$WORK/$(printf '%0100d' 0)
refuses 1 'the path of a socket has at most 107 bytes' --data "$data" --listen "unix:$long" --initial-cluster "unix:$long"
[ -d "$data" ] && rm -r "$data"

for n in 1 2 3; do store_up $n; done
for n in 1 2 3; do await 30 store_is_ready $n; done
refuses 1 'in use' --data "$data" --listen "unix:$WORK/second" --advertise "${ADDRESS[1]}" --initial-cluster "$ADDRESSES"
keeps() { grep -q 'this store coordinates the cluster' "$WORK"/[123].log; }
await 30 keeps

# A store that was given another list is of another cluster, and is told so by those whom it calls.
data=$WORK/stranger
mkdir "$WORK/other"
"$BUILD/raftkvd" --config /dev/null --data "$data" --listen "unix:$WORK/other/socket" \
	--initial-cluster "${ADDRESS[1]},unix:$WORK/other/socket" 2>"$WORK/stranger.log" &
STORE_PIDS[0]=$!
told() { grep -q 'is of cluster' "$WORK/stranger.log" && grep -q 'refused.*it is of cluster' "$WORK/1.log"; }
await 30 told
store_down 0

# Nor does the directory of one store become that of another, or of another cluster.
store_down 2
refuses 2 'is store 2 of its cluster, not store 3' --data "$WORK/store2" --listen "unix:$WORK/other/socket" --advertise "${ADDRESS[3]}" --initial-cluster "$ADDRESSES"
refuses 2 'belongs to cluster' --data "$WORK/store2" --insecure --listen "${ADDRESS[2]}" --initial-cluster "${ADDRESS[2]}"

# What a process leaves behind does not keep the next one from starting; a start is a new life.
store_kill 1
store_kill 3
for n in 1 2 3; do store_up $n; done
for n in 1 2 3; do await 30 store_is_ready $n 2; done
grep -q 'store=1 .*incarnation=2 ' "$WORK/1.log" || fail "no second life: $(cat "$WORK/1.log")"

# systemd and its like are told.
store_down 3
python3 - "$WORK/notify" >"$WORK/notified" <<'END' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print(s.recv(100).decode(), flush=True)
print(s.recv(100).decode(), flush=True)
END
STORE_PIDS[0]=$!
await 30 test -S "$WORK/notify"
NOTIFY_SOCKET=$WORK/notify store_up 3
await 30 grep -q READY=1 "$WORK/notified"
store_down 3
await 30 grep -q STOPPING=1 "$WORK/notified"
for n in 1 2; do store_down $n; done
grep -l level=error "$WORK"/[123].log && fail "errors: $(grep level=error "$WORK"/[123].log)"
exit 0
