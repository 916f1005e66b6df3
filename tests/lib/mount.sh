# Sourced by cases: a filesystem of the build on a mount point of its own, taken down when the case ends.
#
#   mount_up [OPTIONS]   mounts $VOLUME on $MNT; the daemon's pid is $DAEMON
#   mount_kill           kill -9 of the daemon; takes the dead mount away
#   mount_down           umount, and waits until the daemon has closed the store
#   ext4_up NAME SIZE [DIRECTORY]  a new ext4 of that size on a loop device, mounted on $WORK/NAME; its image is in DIRECTORY,
#                        $WORK otherwise: /dev/shm for what is not about disks and would wait for one most of the time
#   await SECONDS COMMAND…  until it succeeds; fails the case when it has not within so many seconds of an idle machine, which
#                        are more on a busy one (patience.py). It is there to end what hangs: half a minute or more.
#   within SECONDS COMMAND…  runs it; status 124 when it was ended because it took longer, as long as that is meant in await
#   fail TEXT…           ends the case
#
# $WORK is a scratch directory that everybody may enter, in $SCRATCH (/var/tmp). $BUILD/mount.raftkv is the program under test.
set -u
: "${BUILD:?}"
BUILD=$(realpath "$BUILD")
export PYTHONDONTWRITEBYTECODE=1
PATIENCE=$(realpath tests/lib/patience.py)
WORK=$(mktemp -d "${SCRATCH:-/var/tmp}/raftkv-case.XXXXXX")
chmod 755 "$WORK"
VOLUME=$WORK/volume
MNT=$WORK/mnt
mkdir "$MNT"
DAEMON=
EXT4=
IMAGES=

[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
[ -c /dev/fuse ] || { echo "needs /dev/fuse"; exit 77; }

exec {CASE_OUTPUT}>&1
fail() { # from inside await, too, which hides what its command says
	exec >&"$CASE_OUTPUT" 2>&1
	echo "FAILED: $*"
	[ -f "$WORK/daemon.log" ] && tail -n 20 "$WORK/daemon.log"
	exit 1
}

await() {
	local seconds=$1 begin=$SECONDS factor=${RAFTKV_PATIENCE:-1}
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $((SECONDS - begin)) -ge $((seconds * factor)) ]; then
			factor=$(python3 "$PATIENCE")
			[ $((SECONDS - begin)) -lt $((seconds * factor)) ] || fail "not within its time: $*"
		fi
		sleep 0.1
	done
}

within() { python3 "$PATIENCE" "$@"; }

has_ended() { ! grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"; }

says_mounted() { grep -q 'msg="mounted"' "$WORK/daemon.log"; }
is_up_or_dead() { says_mounted || has_ended "$DAEMON"; }

mount_up() {
	: >"$WORK/daemon.log" # or the mount before would be found there
	"$BUILD/mount.raftkv" "$VOLUME" "$MNT" -o "foreground${1:+,$1}" 2>"$WORK/daemon.log" &
	DAEMON=$!
	await 60 is_up_or_dead
	says_mounted || fail "the mount did not come up"
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
	local image=${3:-$WORK}/${WORK##*/}.$1.ext4
	IMAGES="$IMAGES $image"
	truncate -s "$2" "$image"
	mkfs.ext4 -q "$image" || fail "mkfs.ext4"
	mkdir "$WORK/$1"
	mount -o loop "$image" "$WORK/$1" || { echo "needs loop devices"; exit 77; }
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
	rm -rf --one-file-system "$WORK" $IMAGES
}
trap clean_up EXIT
