# limit: 120
# Without root: a private mount through fusermount3, in a mount namespace of its own.
if [ "${1-}" != inside ]; then
	command -v fusermount3 >/dev/null && id nobody >/dev/null 2>&1 || { echo "needs fusermount3 and nobody"; exit 77; }
	[ "$(id -u)" = 0 ] || { echo "needs root, to become nobody"; exit 77; }
	exec unshare -m bash "$0" inside
fi
. tests/lib/mount.sh

check() { "$@" || fail "$*"; }
refused() { "$@" 2>"$WORK/refusal" && fail "not refused: $*"; true; }
same() { [ "$1" = "$2" ] || fail "got '$1', expected '$2'"; }
as_nobody() { setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; }

store=$WORK/user/a,b
mnt=$WORK/user/mnt
mkdir "$WORK/user" "$mnt"
chown -R nobody "$WORK/user"
if ! as_nobody test -w /dev/fuse; then # a container's; everybody's elsewhere
	mknod "$WORK/fuse" c 10 229
	chmod 666 "$WORK/fuse"
	mount --bind "$WORK/fuse" /dev/fuse
fi

mount_as_nobody() { as_nobody "$BUILD/mount.raftkv" "$store" "$mnt" ${1:+-o "$1"} 2>"$WORK/user.log"; }
closed() { await 60 flock -n "$store/LOCK" true; }

mount_as_nobody noexec || fail "a mount without root: $(cat "$WORK/user.log")"
same "$(findmnt -n -o SOURCE,FSTYPE "$mnt" | xargs)" "$store fuse.raftkv"
for option in noexec nosuid nodev; do
	findmnt -n -o OPTIONS "$mnt" | grep -qw "$option" || fail "no $option: $(findmnt -n -o OPTIONS "$mnt")"
done
check as_nobody sh -c "echo mine >$mnt/file"
same "$(as_nobody stat -c %U:%a "$mnt/file")" nobody:644
refused ls "$mnt" # not even root
check as_nobody fusermount3 -u "$mnt"
closed

mount_as_nobody || fail "the second mount: $(cat "$WORK/user.log")"
same "$(as_nobody cat "$mnt/file")" mine
pid=$(pgrep -u nobody -f "$store" | head -n 1)
as_nobody kill -TERM "$pid"
closed
mountpoint -q "$mnt" && fail "still mounted after SIGTERM"

if ! grep -qs '^user_allow_other' /etc/fuse.conf; then
	mount_as_nobody allow_other && fail "allow_other was not refused"
	grep -q user_allow_other "$WORK/user.log" || fail "no reason given: $(cat "$WORK/user.log")"
fi
