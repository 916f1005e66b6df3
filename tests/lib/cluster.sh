# Sourced by cases behind tests/lib/mount.sh: stores of the build on loopback, which end with the case.
#
#   store_up N [OPTION…]   starts store N of $STORES (3); its pid is ${STORE_PIDS[N]}, its log $WORK/N.log
#   store_kill N           kill -9
#   store_down N           SIGTERM; fails unless it ends in good order
#   await SECONDS COMMAND…  until it succeeds; fails the case otherwise
#
# $ADDRESSES is the list that the cluster begins with; ${ADDRESS[N]} is store N's.
STORES=${STORES:-3}
PORT_BASE=$((20000 + RANDOM % 20000))
ADDRESSES=
STORE_PIDS=()
ADDRESS=()
for n in $(seq "$STORES"); do
	ADDRESS[n]=127.0.0.1:$((PORT_BASE + n))
	ADDRESSES=$ADDRESSES${ADDRESSES:+,}${ADDRESS[n]}
done

await() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "not within its time: $*"
		sleep 0.1
	done
}

store_up() {
	local n=$1
	shift
	"$BUILD/raftkvd" --config /dev/null --data "$WORK/store$n" --listen "${ADDRESS[n]}" --initial-cluster "$ADDRESSES" "$@" \
		2>>"$WORK/$n.log" &
	STORE_PIDS[n]=$!
}

store_is_ready() {
	kill -0 "${STORE_PIDS[$1]}" 2>/dev/null || fail "store $1 died: $(tail -n 5 "$WORK/$1.log")"
	[ "$(grep -c 'msg="ready"' "$WORK/$1.log")" -ge "${2:-1}" ]
}

store_kill() {
	kill -9 "${STORE_PIDS[$1]}"
	wait "${STORE_PIDS[$1]}" 2>/dev/null
	STORE_PIDS[$1]=
}

store_down() {
	kill "${STORE_PIDS[$1]}"
	wait "${STORE_PIDS[$1]}" || fail "store $1 ended with status $?: $(tail -n 5 "$WORK/$1.log")"
	STORE_PIDS[$1]=
}

end_cluster() {
	for pid in "${STORE_PIDS[@]}"; do
		[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
		[ -z "$pid" ] || wait "$pid" 2>/dev/null
	done
	clean_up
}
trap end_cluster EXIT
