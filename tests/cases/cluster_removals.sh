# limit: 240
# What one mount removes lives on for who has it open on another, and goes when they close it or die; and names that were
# made again elsewhere mean what they mean now.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount one
cluster_mount two
python3 tests/lib/removals.py "$WORK/one" "$WORK/two" || fail "what is removed on one mount is wrong on the other"

# Who has it open dies: so does the file, with the session.
cluster_mount three
python3 - "$WORK" "${MOUNT_PIDS[two]}" <<'END' || fail "what a dead mount had open is still there"
import os, signal, sys
work, daemon = sys.argv[1], int(sys.argv[2])
sys.argv[1:] = [f"{work}/one", f"{work}/three"]
sys.path.insert(0, "tests/lib")
import removals
removals.put(f"{work}/one/left", b"x")
held = os.open(f"{work}/two/left", os.O_RDONLY)
path = os.open(f"{work}/three/left", os.O_PATH)
os.unlink(f"{work}/one/left")
removals.let_grace_end()
assert not removals.is_gone(path) and os.pread(held, 1, 0) == b"x"
os.kill(daemon, signal.SIGKILL)
removals.await_gone(path)
END
wait "${MOUNT_PIDS[two]}" 2>/dev/null
umount -l "$WORK/two"
unset "MOUNT_PIDS[two]"

# The stores stop while some are open without a name: that is how it should be.
cluster_mount two
for i in $(seq 20); do
	echo "$i" >"$WORK/one/f$i"
	[ "$i" -gt 10 ] || eval "exec $((i + 100))<'$WORK/two/f$i'"
done
rm "$WORK"/one/f*
grep -h level=error "$WORK"/*.log && fail "errors were logged"
for n in $(seq "$STORES"); do store_down "$n"; done
for n in $(seq "$STORES"); do
	"$BUILD/fsck.raftkv" -n "$WORK/store$n" >"$WORK/fsck.log" 2>&1 || fail "fsck of store $n: $(cat "$WORK/fsck.log")"
done
