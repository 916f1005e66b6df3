# limit: 180
# Random I/O with every byte checked: one process, stripes of one file, turns under a lock, several files at once.
# RAFTKV_SEED starts elsewhere; RAFTKV_TORTURE is for how many minutes to go on with new seeds.
. tests/lib/mount.sh

fsx() { "$BUILD/tests/fsx" --seed "$seed" "$@" || fail "fsx --seed $seed $*"; }

mount_up
seed=${RAFTKV_SEED:-1}
end=$((SECONDS + 60 * ${RAFTKV_TORTURE:-0}))
while
	fsx --seeds 3 --ops 1000 "$MNT/one" &
	one=$!
	fsx --seeds 3 --ops 1000 "$MNT/two" &
	two=$!
	fsx --seeds 2 --ops 400 --processes 4 "$MNT/stripes" &
	stripes=$!
	fsx --seeds 1 --ops 200 --processes 3 --locked "$MNT/turns"
	wait "$one" || fail "one"
	wait "$two" || fail "two"
	wait "$stripes" || fail "stripes"
	seed=$((seed + 10))
	[ $SECONDS -lt $end ]
do :; done
mount_down
