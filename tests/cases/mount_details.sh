# limit: 120
# What programs rarely look at: access times over the kernel's pages, locks in /proc/locks, chattr +a, mapped ids,
# fallocate of more than there is, and direct writes beside readers.
. tests/lib/mount.sh

check() { "$@" || fail "$*"; }
refused() { "$@" 2>/dev/null && fail "not refused: $*"; true; }
same() { [ "$1" = "$2" ] || fail "got '$1', expected '$2'"; }
atime() { stat -c %x "$1"; }
moves() { # FILE COMMAND…: the command moves the access time
	local file=$1 before
	before=$(atime "$file")
	shift
	"$@" >/dev/null || fail "$*"
	[[ "$(atime "$file")" > "$before" ]] || fail "the access time of $file is still $before after: $*"
}
stays() {
	local file=$1 before
	before=$(atime "$file")
	shift
	"$@" >/dev/null || fail "$*"
	same "$(atime "$file")" "$before"
}

# relatime: the first read after each change, though the kernel has the pages.
mount_up
cd "$MNT"
echo a >file
moves file cat file
stays file cat file
echo b >>file
moves file cat file
stays file cat file
mkdir directory
moves directory ls directory
stays directory ls directory
touch directory/entry
moves directory ls directory
ln -s file link
moves link readlink link

# As Linux has it: both times to now is allowed on an append-only file, one of them is not.
check chattr +a file
check touch file
refused touch -a file
refused touch -d 2001-01-01 file
check chattr -a file

inode=$(stat -c %i file)
check flock file grep -q "FLOCK .*:$inode 0 EOF" /proc/locks

refused fallocate -l 900T huge
same "$(stat -c %s huge)" 0
check fallocate -l 1M small
check fallocate -n -l 1M small
check fallocate -p -o 0 -l 900T small
rm huge small

# Ids 0 to 9 are 1000 to 1009 on a second mount of the same.
mkdir "$WORK/mapped"
chmod 777 .
python3 "$OLDPWD/tests/lib/idmap.py" "$MNT" "$WORK/mapped"
case $? in
0)
	as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
	check as 1003 touch "$WORK/mapped/touched"
	check as 1003 mkdir "$WORK/mapped/made"
	check as 1003 ln -s target "$WORK/mapped/linked"
	refused as 2000 touch "$WORK/mapped/unmapped"
	check chown 1004 "$WORK/mapped/made"
	same "$(stat -c %u:%g touched made linked | xargs)" "3:3 4:3 3:3"
	same "$(stat -c %u:%g "$WORK/mapped/file")" 1000:1000
	umount "$WORK/mapped"
	;;
77) echo "this kernel does not map ids of FUSE mounts" ;;
*) fail "the mount with mapped ids" ;;
esac

# Whoever may keep suid does; in a user namespace of its own everybody has all capabilities.
inode_mode() { getfattr --only-values -n raftkv.inode "$1" | sed -n 's/^mode //p'; }
for user in "setpriv --reuid 1001 --clear-groups" "setpriv --reuid 1001 --clear-groups unshare -r"; do
	cp /bin/true suid
	chmod 4777 suid
	check fallocate -p -o 0 -l 4096 suid
	same "$(inode_mode suid)" $((0104777))
	check $user fallocate -p -o 0 -l 4096 suid
	same "$(inode_mode suid)" $((0100777))
done
# Readers put pages there while asynchronous direct writes are on their way: none of them stays.
for round in $(seq 12); do
	: >"$WORK/reading"
	readers=()
	for _ in 1 2 3; do
		while [ -e "$WORK/reading" ]; do cat direct >/dev/null 2>&1; done &
		readers+=($!)
	done
	fio --name=f --filename=direct --ioengine=libaio --direct=1 --rw=write --bs=640k --size=640k --iodepth=4 \
		--buffer_pattern=$((0x1000 + round)) --fallocate=none >"$WORK/fio.log" || fail "fio: $(cat "$WORK/fio.log")"
	rm "$WORK/reading"
	wait "${readers[@]}"
	dd if=direct iflag=direct bs=640k status=none | cmp - direct || fail "old pages stay"
done
rm direct
cd "$OLDPWD"
mount_down

mount_up strictatime
for _ in 1 2 3; do
	moves "$MNT/file" cat "$MNT/file"
done
mount_down
mount_up nodiratime
touch "$MNT/directory/another"
stays "$MNT/directory" ls "$MNT/directory"
moves "$MNT/file" sh -c "echo c >>$MNT/file; cat $MNT/file"
mount_down
mount_up noatime
echo d >>"$MNT/file"
stays "$MNT/file" cat "$MNT/file"
mount_down
