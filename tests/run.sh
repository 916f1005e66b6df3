#!/bin/bash
# Runs every test of this build, one line each with its time, and ends with 'N passed, N failed'.
#
#   tests/run.sh [PATTERN]     only the tests whose name contains PATTERN
#
# A test is a unit-test program ($BUILD/tests/unit/*/test_*) or a case (tests/cases/*.sh). BUILD may name several build
# folders: the unit tests of each run, and the cases with the first. Exit status 0 is a pass, 77 a skip. A line
# '# limit: SECONDS' in a case sets its time limit; 120 otherwise. A limit ends what hangs: it is in seconds of an idle
# machine, and more on a busy one (tests/lib/patience.py); so is every wait of a test, by RAFTKV_PATIENCE. Output goes to
# logs/ in the first folder and is shown when a test fails.
#
# As many tests run at a time as there are processors (JOBS=), each in network, mount and process namespaces of its own:
# what it leaves ends with it. One at a time, and in ours, for a user who may not make namespaces.
set -u
cd "$(dirname "$0")/.." || exit 2
read -ra builds <<<"${BUILD:-build}"
export BUILD=${builds[0]}
pattern=${1:-}
logs=$BUILD/logs
mkdir -p "$logs"
# Where python3 is a wrapper that looks for the real one, it would cost more than most calls do: the real one comes first.
python=$(python3 -c 'import sys; print(sys.executable)') || exit 2
[ "$(command -v python3)" -ef "$python" ] || PATH=$(dirname "$python"):$PATH
rm -f "$logs"/*.verdict
RAFTKV_PATIENCE=$(python3 tests/lib/patience.py) || exit 2
export RAFTKV_PATIENCE
if unshare -nmpf true 2>/dev/null; then
	jobs=${JOBS:-$(nproc)}
	# Loopback is down in a new network namespace.
	namespaces=(unshare --net --mount --pid --fork --kill-child --mount-proc sh -c 'ip link set lo up && exec "$@"' sh)
else
	jobs=1 namespaces=()
fi

run_one() # NAME LIMIT COMMAND…
{
	local name=$1 limit=$2 log begin status verdict
	shift 2
	log=$logs/${name//\//_}
	begin=$EPOCHREALTIME
	python3 tests/lib/patience.py "$limit" "${namespaces[@]}" "$@" >"$log.log" 2>&1 </dev/null
	status=$?
	case $status in
	0) verdict=ok ;;
	77) verdict="skipped: $(tail -n 1 "$log.log")" ;;
	124) verdict="FAILED: over its limit of $limit s of an idle machine" ;;
	*) verdict="FAILED: exit status $status" ;;
	esac
	awk -v a="$begin" -v b="$EPOCHREALTIME" -v name="$name" -v verdict="$verdict" \
		'BEGIN { printf "%-44s %8.1f s  %s\n", name, b - a, verdict }' >"$log.verdict"
	# One write, so that the lines of two tests do not mix.
	case $verdict in
	FAILED*) echo "$(cat "$log.verdict"; tail -n 60 "$log.log" | sed 's/^/    /')" ;;
	*) cat "$log.verdict" ;;
	esac
}

begin() # NAME LIMIT COMMAND…
{
	case $1 in *"$pattern"*) ;; *) return ;; esac
	[ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n
	run_one "$@" &
}

for build in "${builds[@]}"; do
	for test in "$build"/tests/unit/*/test_*; do
		[ -x "$test" ] && [ -f "$test" ] && begin "${test#"$BUILD"/tests/}" 120 "$test"
	done
done
for test in tests/cases/*.sh; do
	limit=$(sed -n 's/^# limit: *//p' "$test" | head -n 1)
	begin "cases/$(basename "$test" .sh)" "${limit:-120}" bash "$test"
done
wait

count() { cat "$logs"/*.verdict 2>/dev/null | grep -c "[0-9] s  $1"; }
passed=$(count ok) failed=$(count FAILED) skipped=$(count skipped)
# Again at the end, where one looks first.
grep -h '[0-9] s  FAILED' "$logs"/*.verdict /dev/null
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
