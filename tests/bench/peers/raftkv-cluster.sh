#!/bin/bash
# raftkv-cluster.sh up|down|mountpoint|remount: three stores on loopback and a mount of them, for benches that compare
# mounts. All it makes lies below $BENCH/raftkv-cluster. BUILD names the build folder, PORT the first store's port.
set -eu
bench=${BENCH:-/var/tmp/raftkv-bench}/raftkv-cluster
top=$(cd "$(dirname "$(readlink -f "$0")")/../../.." && pwd)
build=$(cd "$top" && realpath -m "${BUILD:-build}")
mnt=$bench/mnt

up() { "$top/mount-helpers/cluster.sh" start "$build" "$bench/stores" "$mnt" 3 "${PORT:-27420}" >/dev/null; }
down() { [ ! -d "$bench/stores" ] || "$top/mount-helpers/cluster.sh" stop "$build" "$bench/stores" "$mnt" >/dev/null; }
remount() { "$build/umount.fuse.raftkv" "$mnt" && "$build/mount.raftkv" "$(cat "$bench/stores/addresses")" "$mnt"; }

case ${1:-} in
up) up ;;
down) down && rm -rf "$bench" ;;
mountpoint) echo "$mnt" ;;
remount) remount ;;
*) echo "usage: $0 up|down|mountpoint|remount" >&2 && exit 1 ;;
esac
