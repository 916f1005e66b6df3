# limit: 150
# Two mounts of one cluster see each other's data, names, appends and locks as mount.raftkv(8) promises.
. tests/lib/mount.sh
. tests/lib/cluster.sh

stores_up
cluster_mount one
cluster_mount two
python3 tests/lib/coherence.py "$WORK/one" "$WORK/two" || fail "the mounts disagree"
cluster_umount one
cluster_umount two
grep -h level=error "$WORK"/*.log && fail "errors were logged"
exit 0
