# limit: 120
# A mount of a directory answers changes of names before they are durable: what kill -9 leaves, what fsync(2) and raftkv
# sync wait for, and what dirsync and sync change, at the mount and by a remount.
. tests/lib/mount.sh

raftkv=$BUILD/raftkv
figure() { "$raftkv" status --json "$MNT" | jq -r ".$1"; }
change() { # COUNT: makes so many files, and renames them
	local n
	for n in $(seq "$1"); do
		: >"$MNT/new" && mv "$MNT/new" "$MNT/f$n" || fail "f$n"
	done
}
is_early() { # COMMAND…
	local before
	before=$(figure answered_early_total)
	"$@"
	[ "$(figure answered_early_total)" -gt "$before" ]
}

mount_up
is_early change 20 || fail 'nothing is answered early'
"$raftkv" sync "$MNT" || fail 'raftkv sync fails'
[ "$(figure not_durable_records)" = 0 ] || fail 'something is not durable after raftkv sync'
for path in "$MNT" "$MNT/f1"; do
	change 5
	sync "$path" || fail "fsync of $path fails"
	[ "$(figure not_durable_records)" = 0 ] || fail "something is not durable after fsync of $path"
done
"$raftkv" sync "$WORK" 2>"$WORK/err" && fail 'raftkv sync takes another filesystem'
grep -q 'not in a mount of raftkv' "$WORK/err" || fail "raftkv sync says: $(cat "$WORK/err")"

# ---- kill -9 right after the last answer ----
for round in 1 2 3; do
	change 50
	mkdir "$MNT/last$round"
	mount_kill
	mount_up
	[ -d "$MNT/last$round" ] || fail "last$round is lost"
	[ "$(ls "$MNT" | grep -c '^f')" = 50 ] || fail 'files are lost'
done

# ---- Not early ----
is_durable() { ! is_early change 5; }
for option in dirsync sync; do
	is_early change 5 || fail 'nothing is answered early any more'
	[ -s "$VOLUME/tail" ] || fail 'there is no tail'
	mount_down
	[ ! -e "$VOLUME/tail" ] || fail 'a tail is left, of which the log has all'
	mount_up "$option"
	is_durable || fail "with $option something is answered early"
	mount_down
	mount_up
done
remount() { "$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o "remount,$1" 2>"$WORK/err"; }
remount sync || fail 'remount,sync'
await 30 is_durable # the daemon follows a moment later
remount async || fail 'remount,async'
await 30 is_early change 5
! remount dirsync || fail 'a remount says that it has set dirsync'
grep -q 'dirsync cannot be set by a remount' "$WORK/err" || fail "remount,dirsync says: $(cat "$WORK/err")"
mount_down
exit 0
