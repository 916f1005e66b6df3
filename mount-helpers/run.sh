#!/bin/bash
# make run: mounts an embedded filesystem of the build on MNT and says what can be done with it.
#
#   mount-helpers/run.sh BUILD VOLUME MNT
set -eu
build=$1 volume=$(realpath -m "$2") mnt=$3
owner=${SUDO_UID:-$(id -u)}:${SUDO_GID:-$(id -g)}

mkdir -p "$mnt" 2>/dev/null || true # mount.raftkv says what is wrong with it, and takes the place of a mount that was killed
if mountpoint -q "$mnt" && ls "$mnt" >/dev/null 2>&1; then
	echo "$mnt is mounted already."
else
	"$build/mount.raftkv" "$volume" "$mnt"
fi
[ "$(id -u)" != 0 ] || chown -R --no-dereference "$owner" "$build"

cat <<END

A raftkv filesystem is mounted on $mnt. Its store is $volume.

  try      cp -a proto $mnt/ && ls -l $mnt/proto
           echo hello > $mnt/file && ln $mnt/file $mnt/link && stat $mnt/link
           dd if=/dev/zero of=$mnt/big bs=1M count=200 conv=fsync
  look     $build/raftkv status $mnt; findmnt $mnt; df -h $mnt; tail $volume/log
  stop     umount $mnt

It survives kill -9 of its daemon: 'make demo' shows that. 'make run' mounts the same files again.
END
