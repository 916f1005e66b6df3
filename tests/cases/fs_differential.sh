# limit: 300
# The same 200 times 500 random operations on ext4 and on raftkv: the same results and trees. RAFTKV_SEED starts elsewhere;
# RAFTKV_TORTURE is for how many minutes to go on with new seeds.
. tests/lib/mount.sh

ext4_up ext4 1G /dev/shm
mount_up
mkdir -m 777 "$WORK/ext4/a" "$MNT/b"
seed=${RAFTKV_SEED:-1}
end=$((SECONDS + 60 * ${RAFTKV_TORTURE:-0}))
while
	"$BUILD/tests/differential" --seed "$seed" --seeds 200 --ops 500 --jobs 8 "$WORK/ext4/a" "$MNT/b" || fail "seeds from $seed"
	seed=$((seed + 200))
	[ $SECONDS -lt $end ]
do :; done
mount_down
