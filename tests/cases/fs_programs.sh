# limit: 240
# Real programs: tar, rsync, git, SQLite with concurrent writers and WAL, make -j2; also after mounting again.
. tests/lib/mount.sh

check() { "$@" >"$WORK/output.log" 2>&1 || fail "$*: $(tail -n 5 "$WORK/output.log")"; }
source=$(realpath .)

mount_up
mkdir "$MNT/tree"
check cp -a "$source"/{proto,raft,tests} "$MNT/tree/"
ln "$MNT/tree/proto/buf.h" "$MNT/tree/hard"
ln -s proto/buf.h "$MNT/tree/soft"
setfattr -n user.note -v text "$MNT/tree/hard"

check tar --xattrs -C "$MNT" -cf "$MNT/tree.tar" tree
mkdir "$MNT/untarred"
check tar --xattrs -C "$MNT/untarred" -xf "$MNT/tree.tar"
check diff -r --no-dereference "$MNT/tree" "$MNT/untarred/tree"
check rsync -aHAX "$MNT/tree/" "$MNT/synced/"
echo changed >>"$MNT/tree/proto/buf.h"
check rsync -aHAX --checksum --delete "$MNT/tree/" "$MNT/synced/"
[ -z "$(rsync -aHAXn --itemize-changes --delete --checksum "$MNT/tree/" "$MNT/synced/")" ] || fail "rsync finds differences"

git() { command git -c user.name=test -c user.email=test@localhost -c init.defaultBranch=main -c safe.directory='*' "$@"; }
check git -C "$MNT/tree" init -q
check git -C "$MNT/tree" add -A
check git -C "$MNT/tree" commit -q -m first
check git clone -q "$MNT/tree" "$MNT/clone"
for number in 1 2 3 4 5; do
	echo "$number" >"$MNT/clone/file$number"
	check git -C "$MNT/clone" add -A
	check git -C "$MNT/clone" commit -q -m "change $number"
done
check git -C "$MNT/clone" gc -q --prune=now
check git -C "$MNT/clone" fsck --strict
[ -z "$(git -C "$MNT/clone" status --porcelain)" ] || fail "git status finds changes"

sql() { sqlite3 -cmd '.timeout 10000000' "$MNT/$1.db" "$2"; }
for mode in delete wal; do
	sql "$mode" "PRAGMA journal_mode=$mode; CREATE TABLE t (writer INTEGER, number INTEGER);" >/dev/null
	writers=
	for writer in 1 2 3 4; do
		(for number in $(seq 25); do
			sql "$mode" "BEGIN IMMEDIATE; INSERT INTO t VALUES ($writer, $number); COMMIT;" || exit 1
		done) &
		writers="$writers $!"
	done
	for writer in $writers; do
		wait "$writer" || fail "SQLite writer with journal_mode=$mode"
	done
	[ "$(sql "$mode" 'SELECT COUNT(DISTINCT writer * 1000 + number) FROM t;')" = 100 ] || fail "SQLite lost rows ($mode)"
	[ "$(sql "$mode" 'PRAGMA integrity_check;')" = ok ] || fail "SQLite integrity ($mode)"
done

mkdir "$MNT/project"
for number in $(seq 40); do
	echo "int f$number(void); int f$number(void) { return $number; }" >"$MNT/project/f$number.c"
done
{
	for number in $(seq 40); do echo "int f$number(void);"; done
	echo 'int main(void) { return 0'
	for number in $(seq 40); do echo "+ f$number()"; done
	echo '- 820; }'
} >"$MNT/project/main.c"
printf 'prog: $(patsubst %%.c,%%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\n' >"$MNT/project/Makefile"
check env -u MAKEFLAGS make -C "$MNT/project" -j2
check "$MNT/project/prog"
check env -u MAKEFLAGS make -C "$MNT/project" -q

mount_down
mount_up
check git -C "$MNT/clone" fsck --strict
[ "$(sql wal 'PRAGMA integrity_check;')" = ok ] || fail "SQLite integrity after mounting again"
check diff -r --no-dereference "$MNT/untarred/tree/raft" "$MNT/tree/raft"
check env -u MAKEFLAGS make -C "$MNT/project" -q
mount_down
