# Sourced by cases, from the top folder: planted bugs are caught.
#
#   all_caught LAYER PARTS TEST…     every bug planted in a part of a layer, by one of the layer's unit tests. PARTS: what
#                                    the bugs' names begin with, as a pattern of grep -E
#   all_caught_by_seeds PROGRAM      those on standard input, by seeds of a simulator
#   make_planted TARGET…             makes them with planted bugs; one case at a time
#
# A line of all_caught_by_seeds is 'BUG SEEDS OPTIONS… # SEED': PROGRAM catches the bug within so many seeds. SEED was the
# first to catch it when the line was written, and is tried before the others. It moves with every change of what is
# simulated; where it is wrong, the bug is still caught, only later.
#
# A build of its own, whatever the one under test was made with.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES SAN TSAN

make_planted() {
	mkdir -p build-plant
	flock build-plant/lock make -s -j2 PLANT=1 BUILD=build-plant "$@"
}

# A test that hangs has not caught it: it may as well be slow.
caught_by() # FOLDER BUG TEST…
{
	local folder=$1 bug=$2 test
	shift 2
	for test in "$@"; do
		RAFTKV_PLANTED=$bug python3 tests/lib/patience.py 100 "$folder/test_$test" >/dev/null 2>&1
		case $? in
		0) ;;
		124) return ;;
		*) echo "$test" && return ;;
		esac
	done
}

all_caught() {
	local layer=$1 parts=$2 folder=build-plant/tests/unit/$1 status=0 test bug caught begin quickest_first first
	shift 2
	make_planted "${@/#/$folder/test_}" || return 1
	quickest_first=$(for test in "$@"; do
		begin=$EPOCHREALTIME
		"$folder/test_$test" >/dev/null 2>&1 || { echo "- test_$test fails without a bug"; continue; }
		awk -v a="$begin" -v b="$EPOCHREALTIME" -v test="$test" 'BEGIN { print b - a, test }'
	done | sort -n)
	! grep '^-' <<<"$quickest_first" || return 1
	set -- $(cut -d' ' -f2 <<<"$quickest_first")
	while read -r bug; do
		# First the test that caught it when tests/data/caught_by.txt was written. Where that is wrong, it only takes longer.
		first=$(sed -n "s/^$bug //p" tests/data/caught_by.txt)
		[[ " $* " == *" $first "* ]] || first=
		caught=$(caught_by "$folder" "$bug" $first "$@")
		[ -n "$caught" ] || status=1
		echo "$bug: ${caught:+caught by test_}${caught:-not caught}"
	done < <(grep -rhoE "(planted|PLANT)\\(\"($parts):[a-z_]*\"" "$layer" | sed 's/.*"\(.*\)".*/\1/' | sort -u)
	return $status
}

catches() { # PROGRAM SEED SEEDS BUG OPTIONS…: sets found
	found=$("build-plant/tests/$1" --seed "$2" --seeds "$3" --bug "${@:4}" 2>/dev/null)
	grep -q violation <<<"$found"
}

all_caught_by_seeds() { # PROGRAM
	local program=$1 status=0 bug seeds options seed found
	make_planted "build-plant/tests/$program" || return 1
	"build-plant/tests/$program" --seeds 20 >/dev/null || { echo "$program fails without a bug"; return 1; }
	while read -r bug seeds options; do
		# shellcheck disable=SC2086
		if catches "$program" "${options##*#}" 1 "$bug" ${options%%#*} ||
			catches "$program" 1 "$seeds" "$bug" ${options%%#*}; then
			seed=$(grep -m 1 'to see it again' <<<"$found")
			seed=${seed#*--seed }
			echo "$bug is caught by seed ${seed%% *}: $(grep -m 1 violation <<<"$found")"
		else
			echo "$bug is not caught"
			status=1
		fi
	done
	return $status
}
