# limit: 300
# A mixed load that stays the same size: what the daemon keeps in memory stays the same, too, and at the end every extent
# is free again. The cache of rows is small, so that it is full before the measurement begins: it grows up to its limit
# whatever the load. RAFTKV_TORTURE is for how many minutes (1); the shorter, the more one sample can tilt the line.
. tests/lib/mount.sh

seconds=60 warm_up=35 limit=12288
[ "${RAFTKV_TORTURE:-1}" -le 1 ] || { seconds=$((RAFTKV_TORTURE * 60 + 60)) warm_up=60 limit=1024; }

extents() { "$BUILD/raftkv" status --json "$MNT" | jq -r .data_used_bytes; }

mount_up cache_size=8388608
echo kept >"$MNT/kept"
before=$(extents)
[ "$before" -ge 0 ] || fail "no figure: $before"
python3 tests/lib/mixed_load.py "$MNT/load" $seconds $warm_up "$DAEMON" $limit || fail "it grows by more than $limit KiB a minute"
for _ in $(seq 900); do # the rows that unmap them are flushed by age
	after=$(extents)
	[ "$after" = "$before" ] && break
	sleep 0.1
done
[ "$after" = "$before" ] || fail "$after bytes of extents in use, $before before"
mount_down
