# limit: 120
# Ordinary shell tools on a fresh mount, and the same files after unmounting, mounting again and kill -9.
. tests/lib/mount.sh

check() { "$@" || fail "$*"; }
same() { [ "$1" = "$2" ] || fail "got '$1', expected '$2'"; }

mount_up
same "$(findmnt -n -o SOURCE,FSTYPE "$MNT" | xargs)" "$VOLUME fuse.raftkv"
cd "$MNT"
echo hello >file
same "$(cat file)" hello
check ln file hard
same "$(stat -c %h file)" 2
check ln -s file soft
same "$(readlink soft)" file
same "$(cat soft)" hello
check mkdir -p a/b/c
same "$(stat -c %h a)" 3
check mv a/b/c a/c
check rmdir a/b
rmdir a 2>/dev/null && fail "rmdir of a full directory"
check mkfifo fifo
check mknod null c 1 3
same "$(stat -c %F,%t,%T null)" "character special file,1,3"
check chmod 4711 file
same "$(stat -c %a file)" 4711
check chown 1234:4321 file
same "$(stat -c %u:%g:%a file)" 1234:4321:711
check touch -d '1965-03-04 05:06:07.123456789 UTC' file
same "$(TZ=UTC stat -c %y file)" "1965-03-04 05:06:07.123456789 +0000"
check truncate -s 1T sparse
same "$(stat -c %s sparse)" 1099511627776
check setfattr -n user.colour -v blue file
same "$(getfattr --only-values -n user.colour file)" blue
check cp -a "$OLDPWD/proto" proto
check diff -r "$OLDPWD/proto" proto
check tar cf proto.tar proto
check rm -r proto
check tar xf proto.tar
check diff -r "$OLDPWD/proto" proto
head -c 5000000 /dev/urandom >big
sum=$(sha256sum <big)
check cp big copy
same "$(sha256sum <copy)" "$sum"
for i in $(seq 1000); do echo "$i" >"many$i"; done
same "$(find . -name 'many*' | wc -l)" 1000
exec 7<>open-unlinked
echo still >&7
check rm open-unlinked
same "$(cat /proc/self/fd/7)" still
exec 7>&-
cd "$OLDPWD"

listing() { (cd "$MNT" && find . -printf '%p %y %m %U %G %n %s %T@\n' | sort; sha256sum <"$MNT/big"); }
before=$(listing)
mount_down
mount_up
same "$(listing)" "$before"
mount_kill
mount_up
same "$(listing)" "$before"
mount_down

# In the background, where the daemon's log lies in the store.
for round in 1 2; do
	check "$BUILD/mount.raftkv" "$VOLUME" "$MNT"
	same "$(listing)" "$before"
	check "$BUILD/umount.fuse.raftkv" "$MNT"
done
check grep -q 'msg="unmounted"' "$VOLUME/log"
