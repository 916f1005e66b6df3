# limit: 120
# The Debian package: installed into a root of its own it mounts, and removed it leaves nothing.
. tests/lib/mount.sh
command -v dpkg-shlibdeps >/dev/null || { echo "needs dpkg-dev"; exit 77; }

package=$(mount-helpers/deb.sh "$BUILD" "$WORK/packages") || fail "no package"
dpkg-deb --info "$package" >"$WORK/info"
for wanted in '^ Package: raftkv' '^ Depends: .*libfuse3-3.*librocksdb.*fuse3' '^ Maintainer: '; do
	grep -q "$wanted" "$WORK/info" || fail "the package does not say '$wanted': $(cat "$WORK/info")"
done
dpkg-deb --contents "$package" | awk '$2 != "root/root" { print; bad = 1 } END { exit bad }' || fail "files that are not root's"
root=$WORK/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
package_tool() {
	dpkg --root="$root" --log=/dev/null --force-depends "$@" >"$WORK/dpkg" 2>&1 || fail "dpkg $*: $(cat "$WORK/dpkg")"
}
package_tool -i "$package"
for file in usr/sbin/mount.raftkv usr/sbin/mount.fuse.raftkv usr/sbin/umount.fuse.raftkv usr/sbin/fsck.raftkv usr/sbin/raftkvd usr/bin/raftkv \
	lib/systemd/system/raftkvd@.service \
	usr/share/man/man8/mount.raftkv.8.gz usr/share/man/man7/raftkv.7.gz usr/share/doc/raftkv/copyright; do
	[ -e "$root/$file" ] || fail "$file is not in the package"
done
"$root/usr/sbin/mount.raftkv" "$VOLUME" "$MNT" || fail "the package's mount"
echo data >"$MNT/file"
"$root/usr/bin/raftkv" status "$MNT" >"$WORK/status" || fail "the package's raftkv"
umount "$MNT" || fail umount
"$root/usr/sbin/mount.raftkv" "$VOLUME" "$MNT" || fail "the second mount"
[ "$(cat "$MNT/file")" = data ] || fail "the file is lost"
umount "$MNT" || fail umount
package_tool -r raftkv
[ "$(find "$root/usr" -type f | wc -l)" = 0 ] || fail "left behind: $(find "$root/usr" -type f)"
