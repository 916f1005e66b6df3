#!/bin/bash
# make cluster: stores of the build on this machine, and a mount of them on MNT. make cluster-stop ends both.
#
#   mount-helpers/cluster.sh start BUILD CLUSTER MNT STORES
#   mount-helpers/cluster.sh stop BUILD CLUSTER MNT
#
# Store N listens on CLUSTER/run/N.sock, in a directory that its owner alone may enter; CLUSTER/N holds its data, its log and
# raftkvd.pid, CLUSTER/addresses the list that the cluster began with. What runs already is left alone; what does not is
# started again.
set -eu
verb=$1 build=$(realpath "$2") cluster=$(realpath -m "$3")
mnt=$(realpath -m "$(dirname "$4")")/$(basename "$4") # it may be mounted, and wait for the stores that are to be started
owner=${SUDO_UID:-$(id -u)}:${SUDO_GID:-$(id -g)}
ready_seconds=300 end_seconds=120
path_size_max=107 # of a socket

die() {
	echo "cluster: $*" >&2
	exit 1
}

address_of() { echo "unix:$cluster/run/$1.sock"; }

# Addresses stand in a list, and a socket's path has a limit.
check_path() {
	local path=$cluster/run/$1.sock
	[ "${#path}" -le "$path_size_max" ] ||
		die "$path is longer than the $path_size_max bytes that a socket's path may have: say a shorter CLUSTER="
	case $path in *[,[:space:]]*) die "$cluster has a comma or a space in its name: say another CLUSTER=" ;; esac
}

# The pid of store N, if it runs: the recorded one, when that process is a raftkvd on this very directory.
pid_of() {
	local pid arguments
	pid=$(cat "$cluster/$1/raftkvd.pid" 2>/dev/null) || return 1
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = raftkvd ] || return 1
	mapfile -d '' -t arguments <"/proc/$pid/cmdline"
	[[ " ${arguments[*]} " == *" --data $cluster/$1/data "* ]] || return 1
	echo "$pid"
}

until_ready() {
	local n=$1 from=$2 end=$((SECONDS + ready_seconds))
	until tail -c +"$((from + 1))" "$cluster/$n/log" | grep -q 'msg="ready"'; do
		kill -0 "$(cat "$cluster/$n/raftkvd.pid")" 2>/dev/null || die "store $n ended: $(tail -n 1 "$cluster/$n/log")"
		[ "$SECONDS" -lt "$end" ] || die "store $n is not ready after $ready_seconds s: see $cluster/$n/log"
		sleep 0.1
	done
}

start_store() {
	local n=$1 directory=$cluster/$1
	pid_of "$n" >/dev/null && return
	mkdir -p "$directory"
	touch "$directory/log"
	log_size[n]=$(stat -c %s "$directory/log")
	setsid "$build/raftkvd" --config /dev/null --data "$directory/data" --listen "$(address_of "$n")" \
		--initial-cluster "$addresses" </dev/null >>"$directory/log" 2>&1 &
	echo $! >"$directory/raftkvd.pid"
}

start() {
	local stores=$1 n is_fresh=false
	addresses='' log_size=()
	check_path "$stores"
	for n in $(seq "$stores"); do
		addresses=$addresses${addresses:+,}$(address_of "$n")
	done
	mkdir -p "$cluster"
	mkdir -p -m 700 "$cluster/run"
	if [ ! -f "$cluster/addresses" ]; then
		is_fresh=true
		echo "$addresses" >"$cluster/addresses"
	fi
	[ "$(cat "$cluster/addresses")" = "$addresses" ] ||
		die "$cluster began with $(cat "$cluster/addresses"): say STORES= as then, or another CLUSTER="
	for n in $(seq "$stores"); do
		start_store "$n"
	done
	for n in "${!log_size[@]}"; do
		until_ready "$n" "${log_size[n]}"
	done
	mkdir -p "$mnt" 2>/dev/null || true # mount.raftkv says what is wrong with it
	{ mountpoint -q "$mnt" && ls "$mnt" >/dev/null 2>&1; } || "$build/mount.raftkv" "$addresses" "$mnt"
	! "$is_fresh" || chown "$owner" "$mnt"
	[ "$(id -u)" != 0 ] || chown -R --no-dereference "$owner" "$build"
	say "$stores"
}

say() {
	local users=root
	[ "$(id -u)" = 0 ] || users="root and $(id -un)"
	cat <<END

A raftkv filesystem is mounted on $mnt. $1 stores keep it, and serve $users alone:
$addresses.

  try      cp -a proto $mnt/ && ls -l $mnt/proto
           kill -9 \$(cat $cluster/1/raftkvd.pid); echo still >$mnt/here && cat $mnt/here
           make cluster                            # starts again what was killed
  look     raftkv status $mnt; df -h $mnt
           tail $cluster/*/log
  more     $build/mount.raftkv $addresses /another/directory
  stop     make cluster-stop

It goes on while a majority of the stores runs. 'make cluster' starts the same cluster again.
END
}

end_store() {
	local pid end=$((SECONDS + end_seconds))
	if pid=$(pid_of "$1"); then
		kill "$pid"
		while pid_of "$1" >/dev/null; do
			[ "$SECONDS" -lt "$end" ] || die "store $1, process $pid, does not end: see $cluster/$1/log"
			sleep 0.1
		done
		echo "store $1 has ended"
	fi
	rm -f "$cluster/$1/raftkvd.pid"
}

# The mount of this cluster only: something else may be there.
# Its daemon closes its session, which takes a store that answers: while one runs, it is waited for.
unmount() {
	local directory
	for directory in "$cluster"/[0-9]*; do
		if pid_of "${directory##*/}" >/dev/null; then
			"$build/umount.fuse.raftkv" "$mnt"
			return
		fi
	done
	umount "$mnt"
}

stop() {
	local directory
	[ -f "$cluster/addresses" ] || die "there is no cluster in $cluster"
	if [ "$(findmnt -n -o SOURCE "$mnt" 2>/dev/null | tail -n 1)" = "$(cat "$cluster/addresses")" ]; then
		unmount || die "$mnt is in use: close what is open there"
		echo "$mnt is unmounted"
	fi
	for directory in "$cluster"/[0-9]*; do
		end_store "${directory##*/}"
	done
	echo "the files are kept in $cluster"
}

case $verb in
start) start "$5" ;;
stop) stop ;;
*) die "start or stop, not $verb" ;;
esac
