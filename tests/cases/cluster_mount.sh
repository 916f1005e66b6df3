# limit: 240
# A cluster of three stores, mounted twice: shell tools, what one mount does and the other sees, the POSIX suite, and
# what a mount says about itself.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount one
cluster_mount two
a=$WORK/one b=$WORK/two

# mount and df show the source as it was given; the mount knows how it is.
grep -q "^$ADDRESSES $a fuse.raftkv " /proc/mounts || fail "mount shows: $(grep raftkv /proc/mounts)"
[ "$(findmnt -no SOURCE "$a")" = "$ADDRESSES" ] || fail "findmnt: $(findmnt "$a")"
[ "$(df --output=source "$a" | tail -n 1)" = "$ADDRESSES" ] || fail "df: $(df "$a")"
[ "$(df --output=size "$a" | tail -n 1)" -gt 1000 ] || fail "df has no size"
"$BUILD/raftkv" status "$a" >"$WORK/status" || fail "no status"
grep -q "^cluster  *$ADDRESSES " "$WORK/status" || fail "the status has no cluster: $(cat "$WORK/status")"
grep -q "^session  *[1-9]" "$WORK/status" || fail "the status has no session: $(cat "$WORK/status")"
[ "$("$BUILD/raftkv" status "$a" --json | jq ".mounted and .reads_total > 0 and .regions[0].leader_store > 0")" = true ] || fail "no status in JSON"
"$BUILD/raftkv" health "$a" || fail "not healthy"

# The tools, on one mount; the other sees what they did.
cp -a fs "$a/tree" || fail "cp -a"
diff -r fs "$a/tree" && diff -r fs "$b/tree" || fail "a copy is not what it was copied from"
tar -C "$b" -cf "$b/tree.tar" tree && mkdir "$a/out" && tar -C "$a/out" -xf "$a/tree.tar" || fail "tar"
diff -r "$b/tree" "$b/out/tree" || fail "what tar brought back is not the same"
git init -q "$a/repository" && cp -r proto "$a/repository" && git -C "$a/repository" add . &&
	git -C "$a/repository" -c user.name=n -c user.email=e commit -qm one || fail "git"
git -C "$b/repository" -c safe.directory='*' fsck --strict 2>&1 | grep -v '^dangling\|^notice' && fail "git fsck"
sqlite3 "$a/base" 'create table t (n); insert into t values (1), (2);' && sleep 1.1
[ "$(sqlite3 "$b/base" 'select sum(n) from t;')" = 3 ] || fail "sqlite3"

# One wins, whoever is first.
contend() { for n in $(seq 50); do (set -C; echo "$1" >"$1/lock.$n") 2>/dev/null && echo "$n"; done; }
contend "$a" >"$WORK/won.a" & first=$!
contend "$b" >"$WORK/won.b" & second=$!
wait $first $second
[ "$(sort -n "$WORK/won.a" "$WORK/won.b")" = "$(seq 50)" ] || fail "O_EXCL: not each name was made once"

# A lock of one is a lock for the other, and goes with its holder.
exec 7>"$a/held"
flock -n 7 || fail "flock"
flock -n "$b/held" true && fail "flock: both have it"
exec 7>&-
await 30 flock -n "$b/held" true

# A mount that is killed loses its locks when its session has expired.
(until flock -n 7; do sleep 0.1; done; exec sleep 10000) 7<"$a/held" & holder=$!
await 30 sh -c "! flock -n '$b/held' true"
kill -9 "${MOUNT_PIDS[one]}"
wait "${MOUNT_PIDS[one]}" 2>/dev/null
await 30 flock -n "$b/held" true
kill $holder
wait $holder 2>/dev/null
umount -l "$a"
cluster_mount one
[ "$(ls "$a" | wc -l)" -gt 50 ] || fail "a new mount does not see the files"

"$BUILD/tests/posix" --as root "$a" || fail "the POSIX suite"

cluster_umount one
cluster_umount two
for n in 1 2 3; do store_down $n; done
grep -h level=error "$WORK"/*.log && fail "errors were logged"
exit 0
