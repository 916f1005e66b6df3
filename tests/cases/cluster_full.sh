# limit: 120
# Three stores on small disks, of which the leader's is the smallest: it hands the lead over when it is full, and is told by
# 'raftkv health' to be behind; so are all when all are full. When most files are removed, everything comes back by itself.
command -v jq >/dev/null || { echo "needs jq"; exit 77; }
. tests/lib/mount.sh
. tests/lib/cluster.sh

for n in 1 2 3; do
	ext4_up disk$n 192M
	mkdir "$WORK/disk$n/store"
	ln -s "disk$n/store" "$WORK/store$n"
done
overview() { "$BUILD/raftkv" status --json "$ADDRESSES"; }
is() { [ "$(overview | jq -r "$1")" = true ]; }
member() { echo "(.regions[0].members[] | select(.store == $1))"; }
health_has() { # CODE PATTERN
	"$BUILD/raftkv" health "$ADDRESSES" | grep "^$1 .*$2"
}
is_healthy() { "$BUILD/raftkv" health "$ADDRESSES"; }
fill() { # FILES: until that many are there, or until a write says ENOSPC
	while [ "$count" -lt "$1" ]; do
		dd if=/dev/urandom of="$WORK/a/f$count" bs=1M count=1 conv=fsync status=none 2>"$WORK/dd" || return 1
		count=$((count + 1))
	done
}

stores_up
cluster_mount a
count=0
fill 5
(cd "$WORK/a" && sha256sum f?) >"$WORK/sums"
await 20 is '.regions[0].leader_store > 0'
small=$(overview | jq .regions[0].leader_store)
fallocate -l 88M "$WORK/disk$small/ballast"

# ---- One is full ----
until is ".regions[0].leader_store != $small"; do
	fill $((count + 2)) || sleep 0.2
	[ "$count" -lt 200 ] || fail "the full store $small still leads"
done
await 30 fill $((count + 12)) # a write in the middle of the change may still be refused
await 30 is "$(member $small).wants_snapshot"
await 10 health_has RKV109 "2 of 3 replicas .* store $small .* its disk is full"
await 10 health_has RKV106 "store $small "

# ---- All are full ----
fill 400 && fail "400 MiB on disks of 192"
grep -q 'No space left' "$WORK/dd" || fail "not ENOSPC: $(cat "$WORK/dd")"
await 10 health_has RKV110 'refused with ENOSPC'

# ---- Most is removed ----
for n in $(seq 5 "$count"); do rm -f "$WORK/a/f$n" || fail "removing while full"; done
await 60 is_healthy
count=10
fill 20 || fail "no room after removing: $(cat "$WORK/dd")"
other=$((small % 3 + 1))
store_kill $other
(cd "$WORK/a" && sha256sum --quiet -c "$WORK/sums") || fail "what was there is not"
fill 22 || fail "the store that was full does not count: $(cat "$WORK/dd")"
cluster_umount a
store_up $other
await 20 store_is_ready $other 2
for n in 1 2 3; do store_down $n; done
for n in 1 2 3; do
	"$BUILD/fsck.raftkv" --data "$WORK/disk$n/store" >"$WORK/fsck" || fail "store $n: $(cat "$WORK/fsck")"
done
