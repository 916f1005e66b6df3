# Sourced by cases behind tests/lib/mount.sh: stores of the build on ports of loopback, which end with the case.
#
#   store_up N [OPTION…]   starts store N of $STORES (3); its pid is ${STORE_PIDS[N]}, its log $WORK/N.log
#   raftkvd_up N OPTION…   the same with whatever options say which cluster it is of
#   store_kill N           kill -9
#   store_down N           SIGTERM; fails unless it ends in good order
#   stores_up              all of them; returns when they are ready and one coordinates the cluster
#   store_leader           prints which store coordinates the cluster, by what their logs say: the one that was last to begin
#   cluster_mount NAME [OPTIONS]  mounts the cluster on $WORK/NAME; the daemon's pid is ${MOUNT_PIDS[NAME]}, its log
#                          $WORK/NAME.log
#   cluster_umount NAME    fails unless its daemon ends in good order
#
# $ADDRESSES is the list that the cluster begins with; ${ADDRESS[N]} is store N's. $STORE_OPTIONS are of every store: a mount
# that gets no processor for a while keeps its session, and no region is split because a case is fast. Where ON_HOST (hosts.sh) has an entry for the store's number or the
# mount's name, it runs on that host.
STORE_OPTIONS=(--insecure --server.session_expiry_ms=15000 --server.region_split_load=0)
STORES=${STORES:-3}
PORT_BASE=$((10000 + RANDOM % 20000)) # below those that the kernel gives to connections by itself
ADDRESSES=
STORE_PIDS=()
declare -A MOUNT_PIDS=()
[ -n "${ON_HOST+there}" ] || declare -A ON_HOST=()
ADDRESS=()
for n in $(seq "$STORES"); do
	ADDRESS[n]=127.0.0.1:$((PORT_BASE + n))
	ADDRESSES=$ADDRESSES${ADDRESSES:+,}${ADDRESS[n]}
done

raftkvd_up() {
	local n=$1
	shift
	${ON_HOST[$n]:-} "$BUILD/raftkvd" --config /dev/null "${STORE_OPTIONS[@]}" "$@" 2>>"$WORK/$n.log" &
	STORE_PIDS[n]=$!
}

store_up() {
	local n=$1
	shift
	raftkvd_up "$n" --data "$WORK/store$n" --listen "${ADDRESS[n]}" --initial-cluster "$ADDRESSES" "$@"
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

stores_up() {
	local n
	for n in $(seq "$STORES"); do store_up "$n"; done
	for n in $(seq "$STORES"); do await 60 store_is_ready "$n"; done
	await 60 grep -q 'this store coordinates the cluster' "$WORK"/[1-9].log
}

store_leader() {
	local n
	for n in $(seq "$STORES"); do
		sed -n "s/^.*this store coordinates the cluster\" term=\([0-9]*\).*/\1 $n/p" "$WORK/$n.log"
	done | sort -n | tail -n 1 | cut -d' ' -f2
}

is_mounted() {
	kill -0 "${MOUNT_PIDS[$1]}" 2>/dev/null || fail "the mount $1 did not come up: $(cat "$WORK/$1.log")"
	grep -q 'msg="mounted"' "$WORK/$1.log"
}

cluster_mount() {
	mkdir -p "$WORK/$1"
	: >"$WORK/$1.log"
	${ON_HOST[$1]:-} "$BUILD/mount.raftkv" "$ADDRESSES" "$WORK/$1" -o "foreground${2:+,$2}" 2>>"$WORK/$1.log" &
	MOUNT_PIDS[$1]=$!
	await 60 is_mounted "$1"
}

cluster_umount() {
	umount "$WORK/$1" || fail "umount $1: $(fuser -vm "$WORK/$1" 2>&1)"
	wait "${MOUNT_PIDS[$1]}" || fail "the daemon of $1 ended with status $?: $(tail -n 5 "$WORK/$1.log")"
	unset "MOUNT_PIDS[$1]"
}

end_cluster() {
	local code=$? name
	[ "$code" = 0 ] || tail -n 8 "$WORK"/*.log
	for name in "${!MOUNT_PIDS[@]}"; do
		kill -9 "${MOUNT_PIDS[$name]}" 2>/dev/null
		wait "${MOUNT_PIDS[$name]}" 2>/dev/null
		umount -l "$WORK/$name" 2>/dev/null
	done
	for pid in "${STORE_PIDS[@]}"; do
		[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
		[ -z "$pid" ] || wait "$pid" 2>/dev/null
	done
	[ ${#ON_HOST[@]} = 0 ] || hosts_down
	clean_up
}
trap end_cluster EXIT
