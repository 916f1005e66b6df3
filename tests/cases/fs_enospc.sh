# limit: 240
# A store on a small disk that fills up: writes say ENOSPC, what is there stays right, deleting works and makes room again,
# and so after mounting once more. What was acknowledged and found no room is told by fsync.
. tests/lib/mount.sh

ext4_up small 640M
VOLUME=$WORK/small/volume
mount_up
echo kept >"$MNT/kept"
for round in 1 2; do
	full=
	for number in $(seq 400); do
		if ! dd if=/dev/urandom of="$MNT/file$number" bs=1M count=2 conv=fsync status=none 2>"$WORK/dd.log"; then
			full=$number
			break
		fi
	done
	[ -n "$full" ] || fail "800 MiB on a disk of 640"
	grep -q 'No space left on device' "$WORK/dd.log" || fail "not ENOSPC: $(cat "$WORK/dd.log")"
	[ "$full" -gt 10 ] || fail "round $round: full after $full files of 2 MiB"
	echo "round $round: full after $full files of 2 MiB"
	[ "$(cat "$MNT/kept")" = kept ] || fail "reading while full"
	cmp -n 2097152 "$MNT/file1" "$MNT/file1" || fail "reading data while full"
	rm "$MNT"/file* || fail "deleting while full"
	await 60 dd if=/dev/urandom of="$MNT/again" bs=1M count=8 conv=fsync status=none
	[ "$(stat -c %s "$MNT/again")" = 8388608 ] || fail "no room after deleting"
	rm "$MNT/again"
	mount_down
	mount_up
done
[ "$(cat "$MNT/kept")" = kept ] || fail "after mounting again"
python3 tests/lib/lost_data.py full "$MNT" || fail "data was lost in silence"
mount_down
