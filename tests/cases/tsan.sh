# limit: 300
# What several threads do at once, under ThreadSanitizer: mail between loops, the shared raft log, the block store, and
# LocalReader beside writers, snapshots between four stores, a mount and the thread that drops its pages.
set -eu
unset MAKEFLAGS MFLAGS MAKEOVERRIDES SAN PLANT
tests="proto/test_env_uv store/test_log_stress store/test_blocks store/test_raftkv_stress store/test_snapshot_stress fs/test_pages
	fs/test_front_shared"
targets=
for test in $tests; do
	[ -f "tests/unit/$test.c" ] || { echo "tests/unit/$test.c is not there"; exit 1; }
	targets="$targets build-tsan/tests/unit/$test"
done
# shellcheck disable=SC2086
make -s -j"$(nproc)" TSAN=1 BUILD=build-tsan $targets
for test in $targets; do
	echo "# $test"
	TSAN_OPTIONS="halt_on_error=1" "$test"
done
