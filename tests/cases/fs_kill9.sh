# limit: 240
# kill -9 of the daemon under a load of creates, renames, links, writes with fsync and appends, RAFTKV_KILLS times (10).
# Each worker notes outside what it asked for and what was acknowledged; after mounting again nothing acknowledged is
# lost and nothing was done twice.
. tests/lib/mount.sh

kills=${RAFTKV_KILLS:-10}
has_begun() { grep -q '^done' "$WORK/journal.$round.$worker"; }
for round in $(seq "$kills"); do
	mount_up
	workers=
	for worker in 1 2 3 4; do
		python3 tests/lib/journaled_load.py run "$MNT/$round.$worker" "$WORK/journal.$round.$worker" "$round$worker" &
		workers="$workers $!"
	done
	for worker in 1 2 3 4; do
		await 60 has_begun
	done
	sleep "0.$((round * 37 % 100 + 100))"
	mount_kill
	for worker in $workers; do
		wait "$worker" || fail "a worker ended with status $?"
	done
	mount_up
	for worker in 1 2 3 4; do
		python3 tests/lib/journaled_load.py check "$MNT/$round.$worker" "$WORK/journal.$round.$worker" || fail "round $round"
	done
	mount_down
done
mount_up
for journal in "$WORK"/journal.*; do
	python3 tests/lib/journaled_load.py check "$MNT/${journal#"$WORK/journal."}" "$journal" || fail "at the end: $journal"
done
mount_down
echo "$(cat "$WORK"/journal.* | grep -c '^done') operations acknowledged over $kills kills, all there, none twice"
