#!/bin/bash
# Keeps the rules of style that a program can check. Prints 'file:line: what is wrong' for each breach.
#
#   tests/tidy.sh [FILE…]     only these sources and pages
#
# Layers include only themselves and the layers before them, and so do the rooms of a layer; functions have at most 70
# lines; the consensus core includes nothing that reaches the outside; a foreign library is included in one place of a
# layer; sources are as clang-format leaves them; no line ends in blanks, tells of unfinished work, or names a path of
# the machine it was written on; what comments and pages cite is there (tests/lib/citations.py).
set -u
cd "$(dirname "$0")/.." || exit 2
breaches=0

sources=() pages=()
if [ $# -gt 0 ]; then
	for file in "$@"; do case $file in *.md) pages+=("$file") ;; *) sources+=("$file") ;; esac; done
else
	mapfile -t sources < <(find proto raft store fs mount-helpers tests -name "*.[ch]" 2>/dev/null | sort)
	mapfile -t pages < <(find . docs -maxdepth 1 -name "*.md" 2>/dev/null | sed 's/^\.\///' | sort -u)
fi

if [ ${#pages[@]} -gt 0 ]; then
	grep -nE '[ 	]+$' /dev/null "${pages[@]}" | sed 's/:[^:]*$/: blanks at the end of the line/' | grep . && breaches=1
	grep -no '/work/' /dev/null "${pages[@]}" | sed 's/:[^:]*$/: a path of one machine/' | grep . && breaches=1
fi

if ! command -v python3 >/dev/null; then
	echo "tests/tidy.sh:1: python3 is not installed"
	exit 1
fi
python3 tests/lib/citations.py "$@" || breaches=1

# One pass over the text of all sources. Being clang-formatted, a function's body stands between '{' and '}' in the
# first column.
[ ${#sources[@]} -eq 0 ] || awk '
function breach(what) { print FILENAME ":" FNR ": " what; found = 1 }
function layer_of(path, parts) { split(path, parts, "/"); return parts[1] }
# The folder in its layer, or a file that stands in none.
function room_of(path, parts) { split(path, parts, "/"); sub(/[.][ch]$/, "", parts[2]); return parts[2] }

BEGIN {
	split("proto raft store fs mount-helpers", names, " ")
	for (i in names)
		order[names[i]] = i

	# The rooms of a layer in their order; a layer without a line here has none that is checked.
	rooms["store"] = "disk queues blocks kv log rows engines options requests transport route flush snapshot " \
		"evaluate apply open peer raftkv members"
	rooms["fs"] = "schema intents eval check reclaim_pace client loop_set cluster config clustered embedded inodes " \
		"fuse vfs stats transact regions admin server raftkvd"
	for (i in rooms) {
		count = split(rooms[i], names, " ")
		for (j = 1; j <= count; j++)
			place[i, names[j]] = j
	}
	# Of the two log engines, what they share and RocksDB know nothing of the other one.
	log_shared = "^store/log/(log_[a-z_]*|raft_rocksdb)[.][ch]$"

	# Headers of foreign libraries: the files that may include them, or one file of each layer.
	foreign["^rocksdb/"] = "^store/(kv|log)/[a-z_]*rocksdb[a-z_]*[.][ch]$"
	foreign["^uv[.]h$"] = "^(proto/env_uv[a-z_]*|fs/fuse/lane)[.][ch]$"
	foreign["^fuse"] = "^fs/(fuse|vfs)/"
	foreign["^(xxhash|ini|zstd|lz4[a-z]*|liburing|microhttpd|jansson)[.]h$"] = ""
	foreign["^(openssl|isa-l|systemd)/"] = ""
}
FNR == 1 {
	layer = layer_of(FILENAME)
	room = room_of(FILENAME)
	opened = 0
	if (layer in rooms && !((layer, room) in place))
		breach("room " room " has no place in the order of the rooms of " layer)
}

/[ \t]+$/ { breach("blanks at the end of the line") }
/\/work\// { breach("a path of one machine") }
/TODO|FIXME/ { breach("unfinished work") }
/^{$/ { opened = FNR }
/^}$/ {
	if (opened && FNR - opened + 1 > 70)
		breach("a function of " FNR - opened + 1 " lines; 70 are the limit")
	opened = 0
}

/^#include "/ {
	split($2, quoted, "\"")
	included = layer_of(quoted[2])
	if (layer in order && included == "tests")
		breach("the product includes a test")
	else if (layer in order && included in order && order[included] > order[layer])
		breach("layer " layer " includes the higher layer " included)
	else if (layer in rooms && included == layer && place[layer, room_of(quoted[2])] > place[layer, room])
		breach("room " room " includes the later room " room_of(quoted[2]))
	if (FILENAME ~ log_shared && quoted[2] ~ /^store\/log\// && quoted[2] !~ log_shared)
		breach("a log engine includes what the other has for itself")
}
/^#include </ {
	header = $2
	gsub(/[<>]/, "", header)
	if (layer == "raft" && header ~ /^(unistd|time|pthread|threads|signal|fcntl|sys\/.*|linux\/.*)(\.h)?$/)
		breach("the core reaches the outside with <" header ">")
	if (layer == "raft" && header == "stdio.h" && FILENAME !~ /\/(describe|log)[.][ch]$/)
		breach("in the core <stdio.h> belongs to describe")
	for (pattern in foreign) {
		if (!(layer in order) || header !~ pattern)
			continue
		if (foreign[pattern] != "" && FILENAME !~ foreign[pattern])
			breach("<" header "> belongs to " foreign[pattern])
		where = layer SUBSEP header
		if (foreign[pattern] == "" && where in user && user[where] != FILENAME)
			breach("<" header "> is included by " user[where] " already")
		user[where] = FILENAME
	}
}
END { exit found }
' "${sources[@]}" || breaches=1

# Scripts and pages; data files are left as they are.
if [ $# -eq 0 ]; then
	find Makefile .ci man tests -type f \( -name Makefile -o -name '*.sh' -o -name '*.[1-9]' -o -path '.ci/*' \) -print0 2>/dev/null |
		xargs -0 grep -nE '[ 	]+$' /dev/null | sed 's/$/: blanks at the end of the line/' | grep . && breaches=1
fi

if ! command -v clang-format >/dev/null; then
	echo "tests/tidy.sh:1: clang-format is not installed"
	exit 1
fi
printf '%s\0' "${sources[@]}" | xargs -0 -r -P 2 -n 20 clang-format --dry-run -Werror 2>&1 |
	grep -E '^[^ ].*: (error|warning):' | sed 's/: error: .*/: not as clang-format leaves it/' | sort -u | grep . && breaches=1

exit $breaches
