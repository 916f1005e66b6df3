# limit: 120
# Everything that the mount refuses, it refuses with one line that says what is wrong, and the exit code of mount(8).
. tests/lib/mount.sh

bad=0
# refuse EXIT-CODE WORDS-OF-THE-LINE ARGUMENTS…
refuse() {
	local code=$1 words=$2 output status
	shift 2
	output=$("$BUILD/mount.raftkv" "$@" 2>&1)
	status=$?
	if [ "$status" != "$code" ]; then
		echo "mount.raftkv $*: exit $status, expected $code: $output"
		bad=$((bad + 1))
	fi
	case $output in *"$words"*) ;; *) echo "mount.raftkv $*: no '$words' in: $output"; bad=$((bad + 1)) ;; esac
	if [ "$(wc -l <<<"$output")" != 1 ]; then
		echo "mount.raftkv $*: more than one line: $output"
		bad=$((bad + 1))
	fi
}

mkdir "$WORK/other" "$WORK/full" "$WORK/inside"
echo data >"$WORK/full/file"
echo text >"$WORK/plain"

refuse 1 "expected a source and a mount point" "$VOLUME"
refuse 1 "unknown switch '-x'" "$VOLUME" "$MNT" -x
refuse 1 "unknown option 'frobnicate'" "$VOLUME" "$MNT" -o ro,frobnicate
refuse 1 "option 'cache_size=much': kv.cache_bytes is a number" "$VOLUME" "$MNT" -o cache_size=much
refuse 32 "neither an absolute directory nor host:port" relative "$MNT"
refuse 32 "does not exist: create it with 'mkdir -p" "$VOLUME" "$WORK/missing"
refuse 32 "is not a directory" "$VOLUME" "$WORK/plain"
refuse 32 "is not a directory" "$WORK/plain" "$MNT"
refuse 32 "holds 'file'" "$WORK/full" "$MNT"
refuse 1 "needs a number of seconds" "$VOLUME" "$MNT" -o mount_timeout=never
refuse 1 "mount.lanes is a number from 0 to 4" "$VOLUME" "$MNT" -o lanes=5
refuse 1 "unknown key 'kv.colour'" "$VOLUME" "$MNT" -o kv.colour=red
refuse 1 "must be below raft.election_ticks" "$VOLUME" "$MNT" -o raft.heartbeat_ticks=15
refuse 1 "$WORK/none.conf: No such file" "$VOLUME" "$MNT" -o config="$WORK/none.conf"
printf '[store]\nflush_age_ms = 5000\n[kv]\ncolour = red\n' >"$WORK/bad.conf"
refuse 1 "$WORK/bad.conf:4: unknown key 'kv.colour'" "$VOLUME" "$MNT" -o config="$WORK/bad.conf"
refuse 1 "needs an absolute path" "$VOLUME" "$MNT" -o log=here
refuse 1 "-o needs a value" "$VOLUME" "$MNT" -o
refuse 1 "hands the source to a shell" "$WORK/a;reboot" "$MNT" -o nosubtype
refuse 1 "'localhost:none' is no address" localhost:none "$MNT"
refuse 1 "subdirectory (/vol) cannot be mounted yet" localhost:1,localhost:2:/vol "$MNT"
refuse 32 " s: localhost:1: Connection refused" localhost:1 "$MNT" -o mount_timeout=$((3 * ${RAFTKV_PATIENCE:-1}))
refuse 32 "cannot open the log" "$VOLUME" "$MNT" -o log=/nowhere/log
refuse 32 "cannot create the source directory" "$WORK/none/volume" "$MNT"
refuse 32 "cannot remount" "$VOLUME" "$MNT" -o remount,ro
refuse 32 "lies inside the mount point" "$MNT/volume" "$MNT"
refuse 32 "lies inside the source" "$WORK" "$WORK/inside"

mount_up
refuse 32 "in use by another process" "$VOLUME" "$WORK/other" -o mount_timeout=20
refuse 32 "in use by another process" "$VOLUME" "$MNT" -o mount_timeout=20 # on itself
mount_down

# A store of which something is missing or damaged: never begun anew over what is left, never waited for.
# broken WORDS-OF-THE-LINE COMMAND…: the command breaks a copy, in which it runs
broken() {
	local words=$1
	shift
	rm -rf "$WORK/copy"
	cp -a "$VOLUME" "$WORK/copy"
	(cd "$WORK/copy" && "$@") || fail "$*"
	refuse 32 "$words" "$WORK/copy" "$MNT"
}
overwrite() { head -c 100 /dev/urandom | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
mount_up
dd if=/dev/urandom of="$MNT/file" bs=64k count=20 conv=fsync status=none
mount_down
broken "its IDENT is missing: put it back" rm IDENT
broken "IDENT cannot be read: corrupt" overwrite IDENT 20
broken "its folder kv holds no filesystem: put kv and raft back" rm -r kv
broken "the log has nothing of region 1" rm -r raft
broken "the block store $WORK/copy/blocks has no such units" rm -r blocks
broken "raft/0000000000000001.log is damaged from offset 4096 on" overwrite raft/0000000000000001.log 5000
broken "/kv/MANIFEST-" find kv -name 'MANIFEST-*' -delete
rm -rf "$WORK/copy"

# What the machine does not give.
elsewhere() { unshare --mount bash -c "$1 && exec \"$BUILD/mount.raftkv\" \"$VOLUME\" \"$MNT\""; }
# refuse_elsewhere WORDS-OF-THE-LINE COMMAND: after the command, in a mount namespace of its own
refuse_elsewhere() {
	local output
	output=$(elsewhere "$2" 2>&1)
	[ $? = 32 ] || { echo "$2: not refused with 32: $output"; bad=$((bad + 1)); }
	case $output in *"$1"*) ;; *) echo "$2: no '$1' in: $output"; bad=$((bad + 1)) ;; esac
}
refuse_elsewhere "/dev/fuse is missing: load the kernel's fuse module (modprobe fuse)" "mount -t tmpfs none /dev"
refuse_elsewhere "$VOLUME: Read-only file system" "mount --bind $WORK $WORK && mount -o remount,bind,ro $WORK"

# A dead mount of ours is taken away by the next mount.
mount_up
kill -9 "$DAEMON"
wait "$DAEMON" 2>/dev/null
mount_up
touch "$MNT/alive" || bad=$((bad + 1))
mount_down

# So is one that is named relatively; one that shows no subtype may be anybody's, and is only named.
mount_up
kill -9 "$DAEMON"
wait "$DAEMON" 2>/dev/null
DAEMON=
(cd "$WORK" && "$BUILD/mount.raftkv" "$VOLUME" mnt) || { echo "a relative dead mount point"; bad=$((bad + 1)); }
umount "$MNT"
mount_up nosubtype
[ "$(findmnt -n -o FSTYPE "$MNT")" = fuse ] || { echo "nosubtype shows a subtype"; bad=$((bad + 1)); }
kill -9 "$DAEMON"
wait "$DAEMON" 2>/dev/null
DAEMON=
refuse 32 "take it away with 'umount -l" "$VOLUME" "$MNT"
umount -l "$MNT"

# -s ignores what it does not know; -f mounts nothing.
"$BUILD/mount.raftkv" "$VOLUME" "$MNT" -s -f -o frobnicate || { echo "-s -f failed"; bad=$((bad + 1)); }
mountpoint -q "$MNT" && { echo "-f mounted"; bad=$((bad + 1)); }

[ "$bad" = 0 ] || fail "$bad differences"
