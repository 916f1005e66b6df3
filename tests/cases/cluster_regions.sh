# limit: 400
# A cluster that begins with sixteen regions, and whose regions go on being split: the POSIX suite, random operations
# beside a model on ext4, random I/O, programs, what trees take, two mounts that see the same, all while a splitter works.
# Then every store is sound.
. tests/lib/mount.sh
. tests/lib/cluster.sh

raftkv=$BUILD/raftkv
STORE_OPTIONS+=(--server.initial_regions=16)
check() { "$@" >"$WORK/output.log" 2>&1 || fail "$*: $(tail -n 5 "$WORK/output.log")"; }
# What a tree takes, as du and find count it, but without the blocks of directories.
usage_is_exact() {
	local counted disk size files directories
	sync -f "$a" "$b"
	counted=$("$raftkv" du --json "$1" | jq -c '.[0] | [.disk_bytes, .size_bytes, .files, .directories]')
	disk=$(($(du -sB1 "$1" | cut -f1) - $(find "$1" -type d -printf '%b\n' | awk '{ sum += $1 * 512 } END { printf "%d", sum }')))
	size=$(find "$1" -type f -printf '%i %s\n' | sort -u | awk '{ sum += $2 } END { printf "%d", sum }')
	files=$(find "$1" ! -type d -printf '%i\n' | sort -u | wc -l)
	directories=$(find "$1" -mindepth 1 -type d | wc -l)
	[ "$counted" = "[$disk,$size,$files,$directories]" ] ||
		fail "raftkv du tells $counted of $1, and du and find tell [$disk,$size,$files,$directories]"
}
counts_inodes() { [ "$(df --output=iused "$a" | tail -n 1)" -eq "$(find "$a" -printf '%i\n' | sort -u | wc -l)" ]; }
regions() { "$raftkv" region ls --all --json "$ADDRESSES" | jq length; }

stores_up
cluster_mount one
cluster_mount two
a=$WORK/one b=$WORK/two
[ "$(regions)" = 16 ] || fail "the cluster begins with $(regions) regions"

# Splits at any directory, until told that it is enough: most are refused when the tree is cut small.
split_on() {
	local directory
	until [ -e "$WORK/enough" ]; do
		directory=$(find "$a" -mindepth 1 -type d 2>/dev/null | shuf -n 1)
		[ -z "$directory" ] || "$raftkv" region split "$directory" >>"$WORK/splits" 2>&1
		sleep 0.5
	done
}
split_on &
splitter=$!

chmod 755 "$a"
"$BUILD/tests/posix" --as root "$a" || fail "the POSIX suite"
ext4_up ext4 1G /dev/shm
mkdir -m 777 "$WORK/ext4/a" "$a/b"
"$BUILD/tests/differential" --seed "${RAFTKV_SEED:-1}" --seeds 12 --ops 400 --jobs 4 "$WORK/ext4/a" "$a/b" ||
	fail "what the model does is not the same"
"$BUILD/tests/fsx" --seed "${RAFTKV_SEED:-1}" --seeds 2 --ops 500 "$a/fsx" || fail "fsx"

mkdir "$a/tree" "$a/untarred"
check cp -a fs proto "$a/tree"
check diff -r fs "$b/tree/fs"
check tar -C "$b" -cf "$b/tree.tar" tree
check tar -C "$a/untarred" -xf "$a/tree.tar"
check rsync -aHAX "$a/tree/" "$b/synced/"
check diff -r "$a/synced" "$b/untarred/tree"
cp -al "$a/tree" "$a/linked"
usage_is_exact "$a"
usage_is_exact "$b/linked/fs"
usage_is_exact "$a/tree.tar"
git() { command git -c user.name=test -c user.email=test@localhost -c init.defaultBranch=main -c safe.directory='*' "$@"; }
check git -C "$a/tree" init -q
check git -C "$a/tree" add -A
check git -C "$a/tree" commit -q -m first
check git clone -q "$b/tree" "$b/clone"
check git -C "$a/clone" fsck --strict
check rm -r "$b/untarred"
python3 tests/lib/coherence.py "$a" "$b" || fail "the mounts disagree"

touch "$WORK/enough"
wait $splitter
usage_is_exact "$b"
await 60 counts_inodes
[ "$(regions)" -gt 20 ] || fail "hardly anything was split: $(sort "$WORK/splits" | uniq -c | sort -n | tail -n 5)"
"$raftkv" health "$ADDRESSES" >"$WORK/health" || fail "not healthy: $(cat "$WORK/health")"
grep -h level=error "$WORK"/*.log && fail "errors were logged"
cluster_umount one
cluster_umount two
for n in 1 2 3; do store_down $n; done
for n in 1 2 3; do
	"$BUILD/fsck.raftkv" -n --data "$WORK/store$n" >"$WORK/fsck" 2>&1 || fail "store $n: $(cat "$WORK/fsck")"
done
exit 0
