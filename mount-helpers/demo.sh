#!/bin/bash
# make demo: writes files, kills the daemon with SIGKILL in the middle, mounts again, and checks that everything that
# was acknowledged is there. Uses a store and a mount point of its own, and removes them.
#
#   mount-helpers/demo.sh BUILD
set -eu
build=$(realpath "$1")
work=$(mktemp -d /var/tmp/raftkv-demo.XXXXXX)
mnt=$work/mnt
mkdir "$mnt"
trap 'umount -l "$mnt" 2>/dev/null || true; rm -rf "$work"' EXIT

say() { printf '\n== %s\n' "$*"; }

start() {
	"$build/mount.raftkv" "$work/volume" "$mnt" -o foreground 2>"$work/daemon.log" &
	pid=$!
	for _ in $(seq 200); do
		grep -q 'msg="mounted"' "$work/daemon.log" && return
		sleep 0.1
	done
	cat "$work/daemon.log"
	exit 1
}

say "mounting a fresh filesystem on $mnt"
start
findmnt -n -o SOURCE,FSTYPE "$mnt"

say "writing: each line of 'acknowledged' is a file that close(2) or rename(2) has confirmed"
(
	i=0
	while :; do
		i=$((i + 1))
		head -c $((i * 37 % 200000)) /dev/urandom >"$mnt/new" || exit 0
		sum=$(sha256sum <"$mnt/new") || exit 0
		mv "$mnt/new" "$mnt/file-$i" || exit 0
		echo "file-$i $sum" >>"$work/acknowledged"
	done
) 2>/dev/null &
writer=$!
sleep 5
say "kill -9 of the daemon, in the middle of it"
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
wait "$writer" 2>/dev/null || true
umount -l "$mnt"
echo "$(wc -l <"$work/acknowledged") files were acknowledged"

say "mounting the same store again"
start
bad=0
while read -r name sum _; do
	[ "$(sha256sum <"$mnt/$name" 2>/dev/null | cut -d' ' -f1)" = "$sum" ] || { echo "LOST: $name"; bad=$((bad + 1)); }
done <"$work/acknowledged"
umount "$mnt"
wait "$pid" 2>/dev/null || true
[ "$bad" = 0 ] || { echo "$bad acknowledged files are lost or wrong"; exit 1; }
say "every acknowledged file is there, byte for byte"
