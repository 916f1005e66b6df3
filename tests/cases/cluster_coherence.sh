# limit: 150
# Two mounts of one cluster see each other's data, names, appends and locks as mount.raftkv(8) promises.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount one
cluster_mount two
python3 tests/lib/coherence.py "$WORK/one" "$WORK/two" || fail "the mounts disagree"
python3 tests/lib/lock_turns.py "$WORK/one" "$WORK/two" || fail "who waits for a lock is overtaken"
grep -h level=error "$WORK"/*.log && fail "errors were logged"

# A mount that was not heard of has lost its locks: who held one is told, and can go on.
python3 - "$WORK" "${MOUNT_PIDS[one]}" <<'END' || fail "who lost a lock was not told"
import errno, fcntl, os, signal, sys
sys.path.insert(0, "tests/lib")
from patience import until
work, daemon = sys.argv[1], int(sys.argv[2])
fd = os.open(f"{work}/one/lost", os.O_CREAT | os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
dropped = [os.open(f"{work}/one/dropped{i}", os.O_CREAT | os.O_RDWR) for i in range(8)]
for file in dropped:
    fcntl.flock(file, fcntl.LOCK_EX)
os.kill(daemon, signal.SIGSTOP)
try:
    other = os.open(f"{work}/two/lost", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
finally:
    os.kill(daemon, signal.SIGCONT)
for file in dropped: # before and after the mount hears that its session has ended
    fcntl.flock(file, fcntl.LOCK_UN)
until(30, lambda: "session opened" in open(f"{work}/one.log").read(), "no new session")
try:
    os.write(fd, b"x")
    raise AssertionError("a write by who has lost its lock")
except OSError as error:
    assert error.errno == errno.EIO, error
os.write(fd, b"x")
os.fsync(fd)
END

# A mount that does not answer is asked once, and waited for once.
kill -STOP "${MOUNT_PIDS[two]}"
"$BUILD/raftkv" status "$WORK/two" >"$WORK/status" 2>&1 && fail "a stopped mount has a status: $(cat "$WORK/status")"
asked=$(ss -Hxlp | awk -v pid="pid=${MOUNT_PIDS[two]}," 'index($0, pid) && /\/control/ { print $3 }')
kill -CONT "${MOUNT_PIDS[two]}"
grep -q 'does not answer' "$WORK/status" || fail "a stopped mount: $(cat "$WORK/status")"
[ "$asked" = 1 ] || fail "a stopped mount was asked '$asked' times"

# A connection that is aborted: who waits for a lock is told.
exec 8>"$WORK/two/waited"
flock 8
python3 -c "
import fcntl, os, sys
fd = os.open('$WORK/one/waited', os.O_RDWR)
open('$WORK/waits', 'w').close()
try: fcntl.flock(fd, fcntl.LOCK_EX)
except OSError: sys.exit(0)
sys.exit(1)" &
waiter=$!
await 30 test -e "$WORK/waits"
mkdir "$WORK/connections"
mount -t fusectl fusectl "$WORK/connections"
sleep 0.3 # the request is on its way, or will be refused
echo 1 >"$WORK/connections/$(stat -c %d "$WORK/one")/abort"
umount "$WORK/connections"
wait "$waiter" || fail "the lock was given"
exec 8>&-
umount -l "$WORK/one"
wait "${MOUNT_PIDS[one]}" || fail "the daemon ended with status $?"
cluster_umount two
