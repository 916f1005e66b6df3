#!/bin/bash
# limit: 120
# The rules of style that a program can check; and that the check finds a breach of each.
set -eu
cd "$(dirname "$0")/../.."
tests/tidy.sh

# No mutable globals or function statics: nothing of the product's libraries lies in a writable section. (Planted bugs
# are chosen through one, in builds that are never shipped.)
globals=$(for library in "${BUILD:-build}"/lib{proto,raft,store,fs,mount-helpers}.a; do
	[ -f "$library" ] && objdump -t "$library" 2>/dev/null | awk -v library="${library##*/}" '
		/^[^ ]+[.]o:/ { object = $1 }
		/ O / && $(NF - 2) ~ /^[.](data|bss|tdata|tbss)/ && $(NF - 2) !~ /[.]rel[.]ro/ && object != "plant.o:" {
			print library ": " object " " $NF " is a mutable global"
		}'
done || true)
if [ -n "$globals" ]; then
	echo "$globals"
	exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r tests .clang-format "$scratch"
cd "$scratch"
mkdir -p proto raft store fs mount-helpers .ci man

# Writes a file that breaks one rule and expects the check to say so.
expect_breach() # FILE TEXT WHAT
{
	mkdir -p "$(dirname "$1")"
	printf '%b' "$2" >"$1"
	if tests/tidy.sh "$1" >out 2>&1 || ! grep -q "^$1:.*$3" out; then
		echo "not found: $3"
		cat out
		exit 1
	fi
	rm "$1"
}
long=$(printf 'x++;\\n\\t%.0s' $(seq 70))
expect_breach proto/a.c '#include "raft/raft.h"\n' 'higher layer raft'
expect_breach fs/a.c '#include "tests/a.h"\n' 'includes a test'
expect_breach store/rows/a.c '#include "store/peer/peer.h"\n' 'includes the later room peer'
expect_breach store/engines.c '#include "store/requests.h"\n' 'includes the later room requests'
expect_breach store/other/a.c 'int x;\n' 'room other has no place'
expect_breach store/log/raft_rocksdb.c '#include "store/log/segment.h"\n' 'what the other has for itself'
expect_breach raft/a.c '#include <unistd.h>\n' 'reaches the outside'
expect_breach raft/a.c '#include <sys/time.h>\n' 'reaches the outside'
expect_breach raft/a.c '#include <stdio.h>\n' 'belongs to describe'
expect_breach store/peer/peer.c '#include <rocksdb/c.h>\n' 'belongs to'
expect_breach fs/a.c '#include <uv.h>\n' 'belongs to'
expect_breach fs/a.c 'int x; \n' 'blanks at the end'
expect_breach fs/a.c '/* TO''DO */\n' 'unfinished'
expect_breach fs/a.c 'int  x;\n' 'clang-format'
expect_breach fs/a.c "void f(int x)\n{\n\t${long}x++;\n}\n" 'a function of 73 lines'
echo "every rule finds its breach"
