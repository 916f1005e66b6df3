# limit: 180
# fsck.raftkv on a store that was mounted and killed under load: clean, and not a byte of it changed; what is refused,
# what is found, and how it exits.
. tests/lib/mount.sh
. tests/lib/expect.sh

fsck=$BUILD/fsck.raftkv
state() { (cd "$VOLUME" && find . -type f -printf '%p %s %T@\n' | sort && find . -type f ! -name '*.log' -exec sha256sum {} + | sort); }

expect 16 "$fsck"
expect 16 "$fsck" -n -p "$WORK"
expect 16 "$fsck" --nonsense "$WORK"
expect 8 "$fsck" "$WORK/absent"
expect 8 "$fsck" "$MNT"
expect 0 "$fsck" --version
expect 0 "$fsck" --help
says 'exit status'

mount_up
expect 8 "$fsck" "$VOLUME"
says "umount $MNT"
expect 8 "$fsck" -y "$MNT"
says "umount $MNT"
mkdir "$MNT/dir"
head -c 3000000 /dev/urandom >"$MNT/dir/big"
sync "$MNT/dir/big"
exec 7<>"$MNT/held"
rm "$MNT/held"

has_moved() { [ -e "$MNT/moved-$1-1" ]; }
for round in 1 2 3; do
	(
		i=0
		while kill -0 "$DAEMON" 2>/dev/null && cp -r proto "$MNT/$round-$i" && mv "$MNT/$round-$i" "$MNT/moved-$round-$i"; do
			[ $((i % 3)) = 0 ] && rm -r "$MNT/moved-$round-$i"
			i=$((i + 1))
		done
	) 2>/dev/null &
	load=$!
	await 60 has_moved "$round"
	sleep 0.5
	mount_kill
	wait $load
	exec 7>&-
	before=$(state)
	expect 0 "$fsck" -n --data "$VOLUME"
	says ': clean'
	[ "$(state)" = "$before" ] || fail "a check has changed the store"
	mount_up
done
mount_down

expect 0 "$fsck" --json "$VOLUME"
[ "$(jq -r '.left, .exit_status, (.problems | length), (.files > 10)' "$WORK/out" | xargs)" = "0 0 0 true" ] ||
	fail "the JSON says $(cat "$WORK/out")"

# Right behind an umount, while the daemon is still closing.
mount_up
head -c 20M /dev/urandom >"$MNT/last"
umount "$MNT" || fail umount
expect 0 "$fsck" "$VOLUME"
wait "$DAEMON" || fail "the daemon ended with status $?"
DAEMON=

# A process that has the store without a mount that shows.
exec 8<"$VOLUME/LOCK"
flock -n 8 || fail "LOCK is held"
expect 8 "$fsck" "$VOLUME"
says 'in use by another process'
exec 8<&-

# What no check can be made of, and what is only noticed in the log and the block files.
mv "$VOLUME/IDENT" "$WORK/IDENT"
expect 8 "$fsck" -y "$VOLUME"
says 'no IDENT'
grep -q clean "$WORK/out" && fail "a store that could not be checked is called clean"
mv "$WORK/IDENT" "$VOLUME/IDENT"
mv "$VOLUME/raft" "$WORK/raft"
mkdir "$VOLUME/raft"
expect 4 "$fsck" "$VOLUME"
says '^store: .*raft log'
rm -r "$VOLUME/raft"
mv "$WORK/raft" "$VOLUME/raft"
expect 0 "$fsck" "$VOLUME"

# Rot in the data, found by name, and only by reading it.
for offset in $(seq 5000 4096 3500000); do printf '\252\125\252' | dd of="$VOLUME/blocks/0000" bs=1 seek="$offset" conv=notrunc status=none; done
expect 0 "$fsck" "$VOLUME"
expect 4 "$fsck" -p --data "$VOLUME"
says '^/dir/big: [0-9]* units of its data'
says 'problems corrected, 1 left\|problems corrected, [0-9]* left'

# Every option on the page, and the page's options known.
page=$(mandoc -Tutf8 man/fsck.raftkv.8 | col -bx)
for option in $("$fsck" --help | grep -o -E '(^|[ ,|[])--?[a-z]+' | tr -d ' ,|[' | sort -u); do
	grep -q -- "$option" <<<"$page" || fail "option $option is not in fsck.raftkv(8)"
done
for option in $(sed -n '/^DESCRIPTION/,/^OUTPUT/p' <<<"$page" | grep -o -E '^ +--?[a-z]+(, --?[a-zV]+)*' | tr -d ' ' | tr ',' '\n' | sort -u); do
	case $option in
	--version | --help | -V) expect 0 "$fsck" "$option" ;;
	--readings) expect 16 "$fsck" "$option=3" "$WORK/absent" ;; # of a cluster
	*) expect 8 "$fsck" "$option" "$WORK/absent" ;;
	esac
done
