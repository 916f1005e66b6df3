# limit: 120
# How mounts end: by signals, under load, lazily, aborted; and what outlives a remount.
. tests/lib/mount.sh

check() { "$@" || fail "$*"; }
refused() { "$@" 2>/dev/null && fail "not refused: $*"; true; }
same() { [ "$1" = "$2" ] || fail "got '$1', expected '$2'"; }
ends() { # the daemon ends by itself, cleanly
	await 60 has_ended "$DAEMON"
	wait "$DAEMON" || fail "the daemon ended with status $?: $*"
	DAEMON=
}

# A file handle (open_by_handle_at(2)) works after the caches were dropped, and after a remount; not when the file went.
handle() {
	python3 - "$@" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128)]
what, mnt, name, store = sys.argv[1:]
handle = Handle(size=128)
if what == "make":
    mount_id = ctypes.c_int()
    assert libc.name_to_handle_at(-100, f"{mnt}/{name}".encode(), ctypes.byref(handle), ctypes.byref(mount_id), 0) == 0
    open(store, "wb").write(bytes(handle))
else:
    handle = Handle.from_buffer_copy(open(store, "rb").read())
    if what == "generation":
        handle.bytes[8] ^= 1
    fd = libc.open_by_handle_at(os.open(mnt, os.O_RDONLY), ctypes.byref(handle), os.O_RDONLY)
    print(os.read(fd, 100).decode().strip() if fd >= 0 else os.strerror(ctypes.get_errno()))
END
}

mount_up
echo content >"$MNT/file"
check handle make "$MNT" file "$WORK/handle"
sync "$MNT/file"
echo 2 >/proc/sys/vm/drop_caches
same "$(handle open "$MNT" file "$WORK/handle")" content
same "$(handle generation "$MNT" file "$WORK/handle")" "Stale file handle"

# chattr(1) and lsattr(1).
check chattr +i "$MNT/file"
refused sh -c "echo more >>$MNT/file"
refused rm -f "$MNT/file"
same "$(lsattr "$MNT/file" | cut -c5)" i
check chattr -i +a "$MNT/file"
refused sh -c "echo other >$MNT/file"
check sh -c "echo more >>$MNT/file"
check chattr -a "$MNT/file"
mkdir "$MNT/directory"
check chattr +a "$MNT/directory"
check touch "$MNT/directory/new"
refused rm "$MNT/directory/new"
check chattr -a "$MNT/directory"
check rm -r "$MNT/directory"

# A process in a directory that is gone.
mkdir "$MNT/gone"
(cd "$MNT/gone" && rmdir ../gone && [ -z "$(ls -A .)" ] && [ "$(stat -c %h .)" = 0 ]) || fail "in a removed directory"

# Read-only and back.
check mount -i -o remount,ro "$MNT"
refused touch "$MNT/refused"
check "$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o remount,rw
check touch "$MNT/accepted"

# umount while programs write: it is refused until they have ended, then drains; nothing is lost.
(
	exec 9>"$MNT/busy"
	for i in $(seq 200); do
		echo "$i" >&9 || exit 1
		[ "$i" != 100 ] || until [ -e "$WORK/refused" ]; do sleep 0.02; done
	done
) &
writer=$!
await 60 test -s "$MNT/busy"
refused umount "$MNT"
touch "$WORK/refused"
wait "$writer" || fail "the writer"
mount_down
mount_up
same "$(tail -n 1 "$MNT/busy")" 200
same "$(handle open "$MNT" file "$WORK/handle")" "$(cat "$MNT/file")"
rm "$MNT/file"
same "$(handle open "$MNT" file "$WORK/handle")" "Stale file handle"

# A bind mount is one of two places: its umount has no daemon to wait for.
mkdir "$WORK/bind"
check mount --bind "$MNT" "$WORK/bind"
check "$BUILD/umount.fuse.raftkv" "$WORK/bind"
mountpoint -q "$WORK/bind" && fail "the bind mount is still there"
same "$(tail -n 1 "$MNT/busy")" 200

# Lazily: it leaves the tree at once, and the daemon ends with the last open file.
exec 8>"$MNT/lazy"
check umount -l "$MNT"
mountpoint -q "$MNT" && fail "still mounted"
echo late >&8
kill -0 "$DAEMON" || fail "the daemon went too early"
exec 8>&-
ends "umount -l"

# Each of the signals unmounts.
for signal in TERM INT HUP; do
	mount_up
	same "$(cat "$MNT/lazy")" late
	kill -"$signal" "$DAEMON"
	ends "SIG$signal"
	mountpoint -q "$MNT" && fail "still mounted after SIG$signal"
done

# A connection that is aborted: the daemon does not hang.
mount_up
exec 8>"$MNT/open"
mkdir "$WORK/connections"
check mount -t fusectl fusectl "$WORK/connections"
echo 1 >"$WORK/connections/$(stat -c %d "$MNT")/abort"
umount "$WORK/connections"
exec 8>&-
ends abort
umount -l "$MNT"

# 'make run' mounts again what was killed.
mount_up
echo kept >"$MNT/run"
kill -9 "$DAEMON"
wait "$DAEMON" 2>/dev/null
check mount-helpers/run.sh "$BUILD" "$VOLUME" "$MNT" >"$WORK/run.log"
same "$(cat "$MNT/run")" kept
check mount-helpers/run.sh "$BUILD" "$VOLUME" "$MNT" >"$WORK/run.log"
grep -q 'mounted already' "$WORK/run.log" || fail "it is mounted: $(cat "$WORK/run.log")"
"$BUILD/umount.fuse.raftkv" "$MNT" || fail "umount"
DAEMON=
