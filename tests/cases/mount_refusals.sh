# limit: 60
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
refuse 32 "does not answer within 1 s: localhost:1: Connection refused" localhost:1 "$MNT" -o mount_timeout=3
refuse 32 "cannot open the log" "$VOLUME" "$MNT" -o log=/nowhere/log
refuse 32 "cannot create the source directory" "$WORK/none/volume" "$MNT"
refuse 32 "cannot remount" "$VOLUME" "$MNT" -o remount,ro
refuse 32 "lies inside the mount point" "$MNT/volume" "$MNT"
refuse 32 "lies inside the source" "$WORK" "$WORK/inside"

mount_up
refuse 32 "in use by another process" "$VOLUME" "$WORK/other" -o mount_timeout=20
refuse 32 "in use by another process" "$VOLUME" "$MNT" -o mount_timeout=20 # on itself
mount_down

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
