# limit: 300
# A mixed load of the same size again and again: when it has gone, every extent is free again, and what the daemon has
# allocated does not grow. RAFTKV_TORTURE is for how many times as many rounds.
. tests/lib/mount.sh

rounds=$((12 * ${RAFTKV_TORTURE:-1})) warm_up=4 steps=250
limit=1048576 # bytes, from the mean of the first third of the rounds to that of the last

stats() { "$BUILD/raftkv" status --json "$MNT" | jq -r "$1"; }
is_free_again() { [ "$(stats .data_used_bytes)" = "$before" ]; } # the rows that unmap extents are flushed by age

# Rows in the cache do not count. It is small, so that it is full when the rounds begin that do.
mount_up cache_size=1048576,store.flush_age_ms=200
echo kept >"$MNT/kept"
before=$(stats .data_used_bytes)
[ "$before" -ge 0 ] || fail "no stat: $before"
for round in $(seq $((warm_up + rounds))); do
	python3 tests/lib/mixed_load.py "$MNT/load" $steps "$round" || fail "the load"
	await 60 is_free_again
	stats '.allocated_bytes - .kv_cache_bytes' | tee -a "$WORK/allocated"
done
tail -n "$rounds" "$WORK/allocated" | awk -v third=$((rounds / 3)) -v limit=$limit '
	NR <= third { first += $1 / third }
	NR > 2 * third { last += $1 / third }
	END { printf "%.0f bytes, then %.0f\n", first, last; exit last - first > limit }' ||
	fail "it has allocated more than $limit bytes more after the same load"

# What many large direct writes took is given back: what stays is some buffers of each lane, whatever the depth.
fio --directory="$MNT" --name=f --ioengine=libaio --direct=1 --rw=write --bs=64M --size=256M --numjobs=2 --iodepth=8 \
	--fallocate=none >"$WORK/fio.log" || fail "fio: $(cat "$WORK/fio.log")"
kept=$(stats '.allocated_bytes - .kv_cache_bytes')
echo "$kept bytes are allocated after large direct writes"
[ "$kept" -lt $((48 * 1048576 + $(nproc) * 33554432)) ] || fail "$kept bytes are still allocated"
mount_down

# Whoever waits for each of its writes is limited by nobody but the mount: 200 threads with 1 MiB each at a time. One lane,
# as each keeps buffers of its own.
writers=200 peak_limit=$((128 * 1048576))
memory() { awk -v name="$1:" '$1 == name { print $2 * 1024 }' "/proc/$DAEMON/status"; }

mount_up cache_size=1048576,lanes=1
base=$(memory VmRSS)
for option in sync direct; do
	fio --directory="$MNT" --name=$option --ioengine=psync --$option=1 --rw=write --bs=1M --size=4M --numjobs=$writers \
		--thread --fallocate=none >"$WORK/fio.log" || fail "fio: $(cat "$WORK/fio.log")"
	peak=$(($(memory VmHWM) - base))
	echo "$peak bytes more were resident while $writers threads wrote (--$option)"
	[ "$peak" -lt $peak_limit ] || fail "$peak bytes were resident for $writers writers (--$option)"
	rm "$MNT"/$option.*
done
mount_down
