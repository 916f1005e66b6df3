#!/bin/bash
# make deb: a Debian package of what `make install` installs.
#
#   mount-helpers/deb.sh BUILD DIRECTORY     prints the name of the package, made in DIRECTORY
set -eu
build=$1
out=$(mkdir -p "$2" && realpath "$2")
version=$(sed -n 's/.*RAFTKV_VERSION "\(.*\)"/\1/p' proto/version.h)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

make -s BUILD="$build" DESTDIR="$root" SBINDIR=/usr/sbin BINDIR=/usr/bin MANDIR=/usr/share/man install >/dev/null
find "$root/usr/share/man" -type f -exec gzip -9n {} +
strip --strip-unneeded "$root"/usr/sbin/*raftkv "$root"/usr/sbin/raftkvd "$root"/usr/bin/raftkv
doc=$root/usr/share/doc/raftkv
mkdir -p "$doc" "$root/usr/share/bash-completion/completions"
cp README.md "$doc/"
install -D -m 644 -t "$doc/examples" mount-helpers/systemd/srv-raftkv.*
{
	echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
	echo "Files: *"
	echo "Copyright: the raftkv authors"
	echo "License: Apache-2.0"
	echo " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0."
} >"$doc/copyright"
"$build/raftkv" completion bash >"$root/usr/share/bash-completion/completions/raftkv"

# dpkg-shlibdeps looks for the source's control file where it runs.
mkdir -p "$work/debian" "$root/DEBIAN"
printf 'Source: raftkv\n\nPackage: raftkv\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && find root/usr/bin root/usr/sbin -type f -exec dpkg-shlibdeps -O {} + | sed -n 's/^shlibs:Depends=//p')
cat >"$root/DEBIAN/control" <<CONTROL
Package: raftkv
Version: $version
Architecture: $architecture
Maintainer: the raftkv authors <raftkv@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: $depends, fuse3
Section: admin
Priority: optional
Description: POSIX filesystem on replicated regions
 Metadata and data live in regions, each replicated by a Raft group. What has
 been acknowledged survives kill -9 and loss of power. One machine is enough: a
 mount of a local directory runs its store in the process of the mount.
CONTROL
(cd "$root" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
chmod -R u+rwX,go+rX,go-w "$root"
dpkg-deb --root-owner-group --build "$root" "$out/raftkv_${version}_$architecture.deb" >/dev/null
echo "$out/raftkv_${version}_$architecture.deb"
