# Sourced by cases: a filesystem of the build on a mount point of its own, taken down when the case ends.
#
#   mount_up [OPTIONS]   mounts $VOLUME on $MNT; the daemon's pid is $DAEMON
#   mount_kill           kill -9 of the daemon; takes the dead mount away
#   mount_down           umount, and waits until the daemon has closed the store
#   ext4_up NAME SIZE    a new ext4 of that size on a loop device, mounted on $WORK/NAME
#   fail TEXT…           ends the case
#
# $WORK is a scratch directory that everybody may enter. $BUILD/mount.raftkv is the program under test.
set -u
: "${BUILD:?}"
BUILD=$(realpath "$BUILD")
WORK=$(mktemp -d /var/tmp/raftkv-case.XXXXXX)
chmod 755 "$WORK"
VOLUME=$WORK/volume
MNT=$WORK/mnt
mkdir "$MNT"
DAEMON=
EXT4=

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -c /dev/fuse ] || { echo "needs /dev/fuse"; exit 77; }

fail() {
	echo "FAILED: $*"
	[ -f "$WORK/daemon.log" ] && tail -n 20 "$WORK/daemon.log"
	exit 1
}

mount_up() {
	: >"$WORK/daemon.log" # or the mount before would be found there
	"$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o "foreground${1:+,$1}" 2>"$WORK/daemon.log" &
	DAEMON=$!
	for _ in $(seq 300); do
		grep -q 'msg="mounted"' "$WORK/daemon.log" && return 0
		kill -0 "$DAEMON" 2>/dev/null || break
		sleep 0.1
	done
	fail "the mount did not come up"
}

mount_kill() {
	kill -9 "$DAEMON"
	wait "$DAEMON" 2>/dev/null
	umount -l "$MNT"
	DAEMON=
}

mount_down() {
	umount "$MNT" || fail "umount: $(fuser -vm "$MNT" 2>&1)"
	wait "$DAEMON" || fail "the daemon ended with status $?"
	DAEMON=
}

ext4_up() {
	truncate -s "$2" "$WORK/$1.ext4"
	mkfs.ext4 -q "$WORK/$1.ext4" || fail "mkfs.ext4"
	mkdir "$WORK/$1"
	mount -o loop "$WORK/$1.ext4" "$WORK/$1" || { echo "needs loop devices"; exit 77; }
	EXT4="$EXT4 $WORK/$1"
}

clean_up() {
	[ -z "$DAEMON" ] || kill -9 "$DAEMON" 2>/dev/null
	[ -z "$DAEMON" ] || wait "$DAEMON" 2>/dev/null
	umount -l "$MNT" 2>/dev/null
	for directory in $EXT4; do
		umount "$directory" || umount -l "$directory"
	done
	rm -rf /var/lib/raftkv/mounts/*"${WORK##*/}"*
	rm -rf --one-file-system "$WORK"
}
trap clean_up EXIT
