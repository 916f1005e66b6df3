# limit: 180
# fio writes with checksums and verifies them: buffered, direct, mapped, several jobs, and once more after remounting.
. tests/lib/mount.sh
command -v fio >/dev/null || { echo "needs fio"; exit 77; }

mount_up
verify() # NAME OPTIONS…
{
	local name=$1
	shift
	fio --name="$name" --directory="$MNT" --size=24m --verify=crc32c --verify_fatal=1 --verify_state_save=0 --randseed=7 --group_reporting \
		--output="$WORK/fio.log" "$@" || fail "fio $name: $(grep -iE 'verify|error' "$WORK/fio.log" | head -n 5)"
}

verify buffered --rw=randwrite --bs=4k --ioengine=psync --fsync=64
verify mixed --rw=randrw --bsrange=512-64k --ioengine=psync --end_fsync=1
verify direct --rw=randwrite --bs=16k --direct=1 --ioengine=libaio --iodepth=16
verify mapped --rw=randwrite --bs=4k --ioengine=mmap --fsync=256
verify jobs --rw=randwrite --bs=8k --ioengine=psync --numjobs=4 --size=6m --end_fsync=1
verify large --rw=write --bs=1m --direct=1 --ioengine=libaio --iodepth=8
mount_down
mount_up
verify buffered --rw=randwrite --bs=4k --ioengine=psync --verify_only --fsync=64
verify direct --rw=randwrite --bs=16k --direct=1 --ioengine=libaio --iodepth=16 --verify_only
mount_down
