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
set -u
cd "$(dirname "$0")/.." || exit 2
read -ra builds <<<"${BUILD:-build}"
export BUILD=${builds[0]}
pattern=${1:-}
passed=0 failed=0 skipped=0 failures=()
mkdir -p "$BUILD/logs"
RAFTKV_PATIENCE=$(python3 tests/lib/patience.py) || exit 2
export RAFTKV_PATIENCE

run_one() # NAME LIMIT COMMAND…
{
	local name=$1 limit=$2 log begin seconds status
	shift 2
	log=$BUILD/logs/${name//\//_}.log
	begin=$EPOCHREALTIME
	python3 tests/lib/patience.py "$limit" "$@" >"$log" 2>&1 </dev/null
	status=$?
	seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	case $status in
	0) passed=$((passed + 1)) verdict=ok ;;
	77) skipped=$((skipped + 1)) verdict="skipped: $(tail -n 1 "$log")" ;;
	124) failed=$((failed + 1)) verdict="FAILED: over its limit of $limit s of an idle machine" ;;
	*) failed=$((failed + 1)) verdict="FAILED: exit status $status" ;;
	esac
	printf '%-44s %8s s  %s\n' "$name" "$seconds" "$verdict"
	case $verdict in
	FAILED*)
		tail -n 60 "$log" | sed 's/^/    /'
		failures+=("$name: ${verdict#FAILED: }: $(tail -n 5 "$log" | tr '\n' '|')")
		;;
	esac
}

for build in "${builds[@]}"; do
	for test in "$build"/tests/unit/*/test_*; do
		[ -x "$test" ] && [ -f "$test" ] || continue
		name=${test#"$BUILD"/tests/}
		case $name in *"$pattern"*) run_one "$name" 120 "$test" ;; esac
	done
done
for test in tests/cases/*.sh; do
	[ -f "$test" ] || continue
	name=cases/$(basename "$test" .sh)
	limit=$(sed -n 's/^# limit: *//p' "$test" | head -n 1)
	case $name in *"$pattern"*) run_one "$name" "${limit:-120}" bash "$test" ;; esac
done

# Again at the end, where one looks first.
[ "$failed" -eq 0 ] || printf 'FAILED %s\n' "${failures[@]}"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
