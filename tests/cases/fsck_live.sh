# limit: 300
# fsck.raftkv of a cluster of three stores whose tree lies in many regions: clean, while two mounts rename, link and remove
# names across the regions, and while regions are split; what it says of an unsettled, a damaged and an unreachable
# cluster; and that nothing of it is left.
. tests/lib/mount.sh
. tests/lib/cluster.sh

STORE_OPTIONS+=(--server.initial_regions=8)
fsck=$BUILD/fsck.raftkv
raftkv=$BUILD/raftkv
any=$ADDRESSES
CHECKS=${RAFTKV_CHECKS:-8}
export TMPDIR=$WORK/tmp
mkdir "$TMPDIR"
expect() { # STATUS COMMAND…
	local wanted=$1 got
	shift
	"$@" >"$WORK/out" 2>"$WORK/err"
	got=$?
	[ $got = "$wanted" ] || fail "$*: exit status $got instead of $wanted: $(cat "$WORK/out" "$WORK/err")"
	[ -z "$(ls "$TMPDIR")" ] || fail "$*: left $(ls "$TMPDIR")"
}
# On a machine that is too busy a region may have no leader for longer than the check waits: then it is made again.
is_checked() {
	"$fsck" "$@" >"$WORK/out" 2>"$WORK/err"
	code=$?
	[ -z "$(ls "$TMPDIR")" ] || fail "fsck.raftkv $*: left $(ls "$TMPDIR")"
	[ $code != 8 ]
}
checks() { # STATUS OPTION…
	local wanted=$1
	shift
	await 120 is_checked "$@" "$any"
	[ $code = "$wanted" ] || fail "fsck.raftkv $*: exit status $code instead of $wanted: $(cat "$WORK/out" "$WORK/err")"
}
says() { grep -q -- "$1" "$WORK/out" "$WORK/err" || fail "nothing says '$1': $(cat "$WORK/out" "$WORK/err")"; }
json() { [ "$(jq -r "$1" "$WORK/out" | xargs)" = "$2" ] || fail "$1 of the JSON is not '$2': $(cat "$WORK/out")"; }
regions() { "$raftkv" region ls --json "$any" | jq length; }
is_split() { "$raftkv" region split "$1" >/dev/null 2>&1; }

# ---- What makes no sense ----
expect 16 "$fsck" -p "$any"
says 'only looked at'
expect 16 "$fsck" --data "$any"
expect 16 "$fsck" --readings=0 "$any"
expect 16 "$fsck" --readings=2 "$WORK"
expect 16 "$fsck" "127.0.0.1:7420,"
expect 16 "$fsck" "127.0.0.1:7420:/below"
expect 8 "$fsck" "127.0.0.1:$PORT_BASE"
says 'no store answers'
grep -q clean "$WORK/out" && fail 'what nobody tells of is called clean'

# ---- While names are changed ----
stores_up
cluster_mount one
cluster_mount two
for d in 0 1 2 3 4 5 6 7; do
	mkdir "$WORK/one/d$d" "$WORK/one/quiet$d"
	for n in 0 1 2 3 4 5; do echo "$d $n" >"$WORK/one/d$d/n$n"; done
	for n in 1 2 3; do echo "$d $n" >"$WORK/one/quiet$d/f$n" || fail "quiet$d/f$n"; done
	ln "$WORK/one/quiet$d/f1" "$WORK/one/quiet$(((d + 7) % 8))/l1" 2>/dev/null || ln "$WORK/one/quiet$d/f1" "$WORK/one/quiet$d/l1"
done
checks 0 --json
json '.left, .directories, .exit_status, .error' '0 17 0 null'
[ "$(jq .regions "$WORK/out")" -ge 8 ] || fail "regions: $(cat "$WORK/out")"

pids=
for mount in one two; do
	python3 tests/lib/names_load.py "$WORK/$mount" $RANDOM "$WORK/enough" >"$WORK/changes.$mount" 2>&1 &
	pids="$pids $!"
done
for round in $(seq "$CHECKS"); do
	[ "$round" != 3 ] || await 60 is_split "$WORK/one/d3"
	[ "$round" != 5 ] || await 60 is_split "$WORK/one/d5"
	checks 0 --json
	echo "$(jq -c '[.readings, .intents, .committed, .regions, .files]' "$WORK/out")"
done
touch "$WORK/enough"
for pid in $pids; do wait "$pid" || fail "the load: $(cat "$WORK"/changes.*)"; done
echo "changes: $(cat "$WORK"/changes.* | xargs)"
[ "$(regions)" -ge 10 ] || fail "only $(regions) regions"
checks 0 -v
says ': clean'
says 'regions, in [0-9]* readings'

# ---- Cancelled, and without room ----
# No store answers, so it waits; its temporary store is there behind everything that a signal could find undone.
is_reading() { [ -n "$(ls "$TMPDIR")" ]; }
for signal in INT TERM HUP; do
	kill -STOP "${STORE_PIDS[@]}"
	env --default-signal="$signal" "$fsck" "$any" 2>"$WORK/err" & # shells ignore SIGINT in the background
	await 60 is_reading
	kill -"$signal" $!
	wait $!
	code=$?
	kill -CONT "${STORE_PIDS[@]}"
	[ $code = 32 ] || fail "SIG$signal: exit status $code: $(cat "$WORK/err")"
	[ -z "$(ls "$TMPDIR")" ] || fail "SIG$signal left $(ls "$TMPDIR")"
done
expect 8 env TMPDIR="$WORK/none" "$fsck" "$any"
says 'TMPDIR'

# ---- Damage, the same on all stores ----
file=$(stat -c %i "$WORK/one/quiet2/f2")
directory=$(stat -c %i "$WORK/one/quiet6")
lost=$(stat -c %i "$WORK/one/quiet6/f3")
cluster_umount one
cluster_umount two
for n in 1 2 3; do store_down "$n"; done
for n in 1 2 3; do
	"$BUILD/tests/damage" "$WORK/store$n" link-count "$file" 5 || fail "damage of store $n"
	"$BUILD/tests/damage" "$WORK/store$n" lost-name "$directory" f3 || fail "damage of store $n"
	store_up "$n"
done
for n in 1 2 3; do await 60 store_is_ready "$n" 2; done
checks 4
says '^/quiet2/f2: its link count is 5, it should be 1$'
says '^/quiet6: it has 3 entries, but counts 4$'
says "^inode $lost: no name leads to this file$"
says '0 problems corrected, 3 left'
checks 4 --json --readings=2
json '.readings, .left, ([.problems[].code] | sort | join(","))' '2 3 entry-count,link-count,unreachable'
json '[.problems[].corrected] | any' false

# ---- Without a majority ----
store_kill 2
store_kill 3
expect 8 "$fsck" "$any"
says 'region [0-9]* has no leader that answers'
grep -q clean "$WORK/out" && fail 'what has no leader is called clean'
store_kill 1
exit 0
