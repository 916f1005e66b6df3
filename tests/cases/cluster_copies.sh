# limit: 120
# Directories of stores that are not what they say: one that was wiped when the cluster was seconds old, and copies that are
# one life or two behind. With the one store beside them that lacks an acknowledged file they would be a majority: they are
# refused, end with a sentence, and the file is there once the true directory is back. A copy that lacks nothing is welcome.
. tests/lib/mount.sh
. tests/lib/cluster.sh

starts=(0 0 0 0) # of the true directory of store N
up() { # N
	: >"$WORK/$1.log"
	store_up "$1"
	await 20 store_is_ready "$1"
	starts[$1]=$((starts[$1] + 1))
}
# Every store that runs has the life of every other one that runs on record.
all_know() {
	local n other
	for n in 1 2 3; do
		cat "$WORK/$n.log" >>"$WORK/$n.seen"
		for other in 1 2 3; do
			[ $n = $other ] || grep -q "on record\" store=$other incarnation=${starts[other]} " "$WORK/$n.seen" || return 1
		done
	done
}
leads() { "$BUILD/raftkv" status --json "$ADDRESSES" | jq -e '.regions[0].leader_store > 0'; }
ended() { # N REASON
	kill -0 "${STORE_PIDS[$1]}" 2>/dev/null && return 1
	grep -q -- "$2" "$WORK/$1.log" || fail "store $1 says no '$2': $(tail -n 1 "$WORK/$1.log")"
}

# Written and acknowledged by 1 and 3, while 2 is away. Then both are gone.
write_without_2() { # FILE
	store_kill 2
	await 20 leads
	echo "$1" | dd of="$WORK/mnt/$1" conv=fsync status=none || fail "write $1"
	store_kill 1
	store_kill 3
	mv "$WORK/store3" "$WORK/true3"
}
# What is in place of store 3 by now is no majority with store 2.
refused() { # FILE REASON
	: >"$WORK/3.log"
	store_up 3
	up 2
	await 30 ended 3 "$2"
	grep -q 'raftkv store replace 3' "$WORK/3.log" || fail "store 3 names no way out: $(tail -n 1 "$WORK/3.log")"
	grep 'this store coordinates the cluster' "$WORK"/[23].log && fail "$1: a store that was refused has voted"
	rm -r "$WORK/store3"
	mv "$WORK/true3" "$WORK/store3"
	up 3
	up 1
	await 20 all_know
	await 20 leads
	[ "$(cat "$WORK/mnt/$1")" = "$1" ] || fail "$1: an acknowledged file is gone"
}

for n in 1 2 3; do up $n; done
await 20 all_know
cluster_mount mnt
write_without_2 wiped
refused wiped 'made anew'

for copy in two one; do
	store_down 3
	cp -a "$WORK/store3" "$WORK/$copy"
	up 3
	await 20 all_know
done
write_without_2 one
mv "$WORK/one" "$WORK/store3"
refused one 'old copy'

store_down 3
mv "$WORK/store3" "$WORK/true3"
mv "$WORK/two" "$WORK/store3"
store_up 3
await 20 ended 3 'old copy'
rm -r "$WORK/store3"
cp -a "$WORK/true3" "$WORK/store3"
up 3
await 20 all_know
store_kill 2
await 20 leads
[ "$(cat "$WORK/mnt"/{wiped,one} | xargs)" = "wiped one" ] || fail 'files are gone'
exit 0
