# Sourced by cases before tests/lib/mount.sh and cluster.sh: hosts of their own for stores and mounts, which are network namespaces joined
# by a bridge in one more, that of the case. The case starts again in it.
#
#   host_up NAME           makes a host; ${HOST_IP[NAME]} is its address; "${ON_HOST[NAME]}" before a command (unquoted) runs it
#                          there
#   stores_on_hosts        behind cluster.sh: store N runs on host N, and $ADDRESSES says so
#   hosts_cut NAME NAME    from now on nothing passes between the two, in silence
#   hosts_mend             everything passes again
#
# The namespaces go with the processes that hold them, which end with the case.
if [ -z "${HOSTS_OF_CASE:-}" ]; then
	for tool in ip nft; do command -v $tool >/dev/null || { echo "needs $tool"; exit 77; }; done
	HOSTS_OF_CASE=1 exec unshare -n bash "$0"
fi
declare -A HOST_IP=() HOST_PID=() ON_HOST=()
HOST_PORT=7400
ip link set lo up
ip link add switch type bridge
ip addr add 10.77.0.254/24 dev switch
ip link set switch up

host_up() {
	local number=$((${#HOST_IP[@]} + 1)) mark=$WORK/host.$1
	unshare -n sh -c 'touch "$0"; exec sleep infinity' "$mark" &
	HOST_PID[$1]=$!
	await 30 [ -e "$mark" ]
	HOST_IP[$1]=10.77.0.$number
	ON_HOST[$1]="nsenter -t ${HOST_PID[$1]} -n"
	ip link add "port$number" type veth peer name wire netns "${HOST_PID[$1]}"
	ip link set "port$number" master switch up
	${ON_HOST[$1]} ip link set lo up
	${ON_HOST[$1]} ip addr add "${HOST_IP[$1]}/24" dev wire
	${ON_HOST[$1]} ip link set wire up
	${ON_HOST[$1]} nft -f - <<-END
		table inet cuts {
			chain out { type filter hook output priority 0; }
			chain in { type filter hook input priority 0; }
		}
	END
}

stores_on_hosts() {
	local n
	ADDRESSES=
	for n in $(seq "$STORES"); do
		host_up "$n"
		ADDRESS[n]=${HOST_IP[$n]}:$HOST_PORT
		ADDRESSES=$ADDRESSES${ADDRESSES:+,}${ADDRESS[n]}
	done
}

hosts_cut() {
	${ON_HOST[$1]} nft add rule inet cuts out ip daddr "${HOST_IP[$2]}" drop
	${ON_HOST[$1]} nft add rule inet cuts in ip saddr "${HOST_IP[$2]}" drop
}

hosts_mend() {
	local name chain
	for name in "${!HOST_IP[@]}"; do
		for chain in in out; do ${ON_HOST[$name]} nft flush chain inet cuts $chain; done
	done
}

hosts_down() {
	local name
	for name in "${!HOST_PID[@]}"; do kill "${HOST_PID[$name]}"; done
}
