# limit: 120
# remount: what it changes takes effect in the running daemon, by whichever way it comes.
. tests/lib/mount.sh

check() { "$@" || fail "$*"; }
remount() { check "$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o "remount,$1"; }
has() { findmnt -n -o OPTIONS "$MNT" | tr , '\n' | grep -qx "$1"; }

# Reads the file as if its access time were old. True: the read moved it.
reading_moves_atime() {
	touch -d 2001-01-01 "$MNT/file"
	touch -a -d 2000-01-01 "$MNT/file"
	echo 3 >/proc/sys/vm/drop_caches
	cat "$MNT/file" >/dev/null
	[ "$(stat -c %x "$MNT/file" | cut -c1-4)" != 2000 ]
}

atime_stays() { ! reading_moves_atime; }

# A write is logged though nothing follows it: the daemon hears of a remount a moment later.
writes() { "$BUILD/raftkv" status --json "$MNT" | jq -r .writes_total; }
writes_at_once() {
	local before after
	exec 9>"$MNT/probe"
	sync "$MNT/probe"
	before=$(writes)
	echo written >&9
	after=$(writes)
	exec 9>&-
	[ "$after" -gt "$before" ]
}

# A write that is not followed by anything, then the plug is pulled.
write_and_kill() {
	exec 9>"$MNT/$1"
	echo written >&9
	mount_kill
	exec 9>&-
	mount_up
	[ "$(cat "$MNT/$1")" = written ]
}

mount_up noatime
echo data >"$MNT/file"
reading_moves_atime && fail "noatime"
remount relatime
await 60 reading_moves_atime
check mount -i -o remount,noatime "$MNT"
await 60 atime_stays

# Read-only and back; the error is the kernel's.
remount ro
has ro || fail "remount,ro"
touch "$MNT/refused" 2>/dev/null && fail "a write to a read-only mount"
remount rw
check touch "$MNT/accepted"
mount_down

# sync at once, as an option and by remount.
mount_up sync
has sync || fail "the mount does not say that it is sync"
write_and_kill first || fail "sync: what was written is not durable"
has sync && fail "sync without being asked"
remount sync
has sync || fail "remount,sync"
await 60 writes_at_once
write_and_kill second || fail "remount,sync: what was written is not durable"
remount sync
remount async
has sync && fail "remount,async"
mount_down
