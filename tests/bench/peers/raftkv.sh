#!/bin/bash
# raftkv.sh up|down|mountpoint|remount: an embedded store, for benches that compare mounts. All it makes lies below
# $BENCH/raftkv. BUILD names the build folder, OPTIONS more mount options (lanes=1, sync …).
set -eu
bench=${BENCH:-/var/tmp/raftkv-bench}/raftkv
volume=$bench/volume mnt=$bench/mnt
build=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && realpath -m "${BUILD:-build}")

up() {
	mkdir -p "$volume" "$mnt"
	"$build/mount.raftkv" "$volume" "$mnt" ${OPTIONS:+-o "$OPTIONS"}
}

# The store is closed when umount.fuse.raftkv returns.
down() {
	! mountpoint -q "$mnt" || "$build/umount.fuse.raftkv" "$mnt"
}

case ${1:-} in
up) up ;;
down) down && rm -rf "$bench" ;;
mountpoint) echo "$mnt" ;;
remount) down && up ;;
*) echo "usage: $0 up|down|mountpoint|remount" >&2 && exit 1 ;;
esac
