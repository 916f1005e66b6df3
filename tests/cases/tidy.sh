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
mkdir -p proto raft store fs mount-helpers .ci man docs

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
expect_breach fs/inodes/a.c '#include "fs/vfs/front.h"\n' 'includes the later room vfs'
expect_breach fs/loop_set.c '#include "fs/cluster/placement.h"\n' 'includes the later room cluster'
expect_breach fs/other/a.c 'int x;\n' 'room other has no place'
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
expect_breach docs/a.md 'Words. \n' 'blanks at the end'

# What is cited is there; and what is not there is missed.
printf '# A page\n\n## Full disks\n' >docs/page.md
printf '/* A file. */\nint made(int x)\n{\n\treturn x;\n}\n' >store/made.c
expect_breach fs/a.c '/* gone.h says more. */\n' 'cites gone.h, which is not there'
expect_breach fs/a.c '/* Tidy, as store/made.c:unmade\n * is. */\n' 'cites store/made.c:unmade, which is not defined there'
expect_breach fs/a.c 'int x; /* page.md, "Empty disks" */\n' 'cites page.md "Empty disks", which is no heading there'
expect_breach fs/a.c '/* page.md § Empty\n * disks */\n' 'cites page.md § Empty disks.*, which is no heading there'
expect_breach docs/a.md 'See [that](page.md#empty-disks).\n' 'cites docs/page.md #empty-disks, which is no heading there'
expect_breach docs/a.md 'See `made.c:unmade`.\n' 'cites made.c:unmade, which is not defined there'
expect_breach docs/a.md 'It is in `store/gone/`.\n' 'cites store/gone/, which is not there'
expect_breach docs/a.md '`gone_away`, of `store/made.c`.\n' 'cites gone_away, of no file'
cp store/made.c raft/made.c
expect_breach fs/a.c '/* made.c is which? */\n' 'cites made.c, of which there are raft/made.c, store/made.c'
rm raft/made.c
printf '%s\n' '/* made.c, store/made.c:made, page.md § Full' ' * disks, and docs/page.md, "Full disks"; <gone.h>. */' \
	'#include "gone.h"' 'const char *x = "gone.h";' >fs/a.c
printf '[That](page.md#full-disks), `made.c:made` and `store/`.\n' >docs/a.md
python3 tests/lib/citations.py fs/a.c docs/a.md || { echo "found: what is there"; exit 1; }
echo "every rule finds its breach"
