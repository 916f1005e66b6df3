# limit: 300
# The POSIX suite as root and as a user: on ext4, so that it tests POSIX and not us, and on raftkv, the same pairs.
. tests/lib/mount.sh

"$BUILD/tests/posix" --check-table || fail "the table and the tests are not the same"
ext4_up ext4 512M /dev/shm
"$BUILD/tests/posix" "$WORK/ext4" || fail "on ext4"
ext4_up disk 2G /dev/shm
VOLUME=$WORK/disk/volume
mount_up
chmod 755 "$MNT"
"$BUILD/tests/posix" --as root "$MNT" &
root=$!
"$BUILD/tests/posix" --as user "$MNT" || fail "on raftkv as a user"
wait "$root" || fail "on raftkv as root"

# A filesystem that is read-only, and one that is again not.
echo text >"$MNT/file"
"$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o remount,ro || fail "remount,ro"
touch "$MNT/new" 2>/dev/null && fail "touch on a read-only filesystem"
[ "$(cat "$MNT/file")" = text ] || fail "reading a read-only filesystem"
"$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o remount,rw || fail "remount,rw"
touch "$MNT/new" || fail "touch after remount,rw"
mount_down
