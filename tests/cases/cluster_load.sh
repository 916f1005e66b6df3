# limit: 400
# Two directories of one region are busy: the region is split between them by itself, and their leaders end up on different
# stores. One busy directory cannot be split, and raftkv health says so. Then a fourth store joins, and raftkv region
# scatter gives it its part of all regions.
. tests/lib/mount.sh
. tests/lib/cluster.sh
. tests/lib/expect.sh

raftkv=$BUILD/raftkv
any=$ADDRESSES
STORE_OPTIONS+=(--server.initial_regions=8 --server.region_split_load=1 --server.region_split_bytes=0)
region_of() { "$raftkv" region show --json "$1" | jq -r ".[0].$2"; }
regions() { "$raftkv" region ls --all --json "$any" | jq -r "$1"; }
stores() { "$raftkv" store ls --json "$any" | jq -r "$1"; }

stores_up
cluster_mount mnt
top=$WORK/mnt/top
mkdir "$top" "$top/a" "$top/b" "$top/idle"
[ "$(region_of "$top/a" id)" = "$(region_of "$top/b" id)" ] || fail "the directories are not in one region"
before=$(regions length)

# ---- A region is split because of its load ----
cat >"$WORK/load.py" <<'END'
import os, sys
names = [os.path.join(directory, "f%d" % i) for i in range(8) for directory in sys.argv[2:]]
for name in names:
    open(name, "w").close()
mode = 0
while not os.path.exists(sys.argv[1]):
    mode ^= 0o40
    for name in names:
        os.chmod(name, 0o600 | mode)
END
python3 "$WORK/load.py" "$WORK/enough" "$top/a" "$top/b" &
load=$!
tells_load() { [ "$(region_of "$top/b" cpu_us_per_second)" -gt 0 ] && [ "$(stores 'map(.cpu_us_per_second) | add')" -gt 0 ]; }
await 60 tells_load
is_split() { [ "$(region_of "$top/a" id)" != "$(region_of "$top/b" id)" ]; }
await 120 is_split
grep -hq 'msg="a region is too busy".*split_at_dirid=' "$WORK"/[1-3].log || fail "no store says why it was split"
are_apart() {
	local a b
	a=$(region_of "$top/a" leader_store) b=$(region_of "$top/b" leader_store)
	[ "$a" -gt 0 ] && [ "$b" -gt 0 ] && [ "$a" != "$b" ]
}
await 120 are_apart
[ "$(regions length)" -gt "$before" ] || fail "there are no more regions than before"

# ---- One directory is not divided ----
inode_dirid() { printf 'dirid:0x%x\n' $(($(stat -c %i "$1") >> 28 & 0xfffffffff)); }
is_told() { "$raftkv" health "$any" >"$WORK/health"; grep '^RKV116' "$WORK/health" | grep -qe "$(inode_dirid "$top/a")" -e "$(inode_dirid "$top/b")"; }
await 120 is_told
touch "$WORK/enough"
wait $load || fail "a change failed"
is_quiet() { "$raftkv" health "$any" >"$WORK/health"; }
await 60 is_quiet

# ---- A scatter ----
expect 2 "$raftkv" region scatter
expect 3 "$raftkv" region scatter "$any" 999999
says 'no region 999999'
expect 2 "$raftkv" region scatter --frobnicate "$any"
expect 0 "$raftkv" region scatter --dry-run "$any"
says 'all regions are being spread over the stores (not done)'
raftkvd_up 4 --data "$WORK/store4" --listen "127.0.0.1:$((PORT_BASE + 4))" --join "$any"
await 60 store_is_ready 4
knows_fourth() { [ "$(stores 'map(select(.id == 4 and .alive)) | length')" = 1 ]; }
await 60 knows_fourth
[ "$(stores 'map(select(.id == 4))[0].replicas')" = 0 ] || fail "regions without data have moved by themselves"
some=$(regions '.[1].id')
expect 0 "$raftkv" region scatter --json "$any" "$some" "$some"
[ "$(jq -c .regions "$WORK/out")" = "[$some]" ] || fail "another region is scattered: $(cat "$WORK/out")"
# A tree means each region that has a directory of it.
tree=$(find "$top" -type d | while read -r directory; do region_of "$directory" id; done | sort -nu | paste -sd, -)
expect 0 "$raftkv" region scatter --dry-run --recursive --json "$any" "$top"
[ "$(jq -c .regions "$WORK/out")" = "[$tree]" ] || fail "the tree lies in regions $tree: $(cat "$WORK/out")"
expect 0 "$raftkv" region scatter --dry-run --json "$any" "$top"
[ "$(jq '.regions | length' "$WORK/out")" = 1 ] || fail "one directory lies in several regions: $(cat "$WORK/out")"
expect 0 "$raftkv" region scatter --wait "$any"
says 'all regions are spread over the stores'
[ "$(stores 'map(.replicas) | max - min')" -le 1 ] || fail "the replicas are not spread: $(stores 'map(.replicas)')"
await 60 is_quiet
find "$top" | wc -l | grep -qx 20 || fail "files are missing"
grep -h level=error "$WORK"/*.log && fail "errors were logged"
cluster_umount mnt
for n in 1 2 3 4; do store_down $n; done
exit 0
