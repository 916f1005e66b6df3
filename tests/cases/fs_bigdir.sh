# limit: 120
# A directory of 10,000 entries (RAFTKV_ENTRIES; 200,000 in torture), listed while entries come, go and are renamed: what exists throughout
# is listed exactly once.
. tests/lib/mount.sh

mount_up
python3 tests/lib/bigdir.py "$MNT/big" "${RAFTKV_ENTRIES:-10000}" || fail "the listing"
mount_down
