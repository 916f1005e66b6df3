# limit: 90
# raftkv(1) on a mounted store and on one that is not: what it says, its JSON, how it exits, and that its page knows it.
. tests/lib/mount.sh
. tests/lib/expect.sh

raftkv=$BUILD/raftkv

expect 2 "$raftkv"
expect 2 "$raftkv" nonsense
expect 2 "$raftkv" status
expect 2 "$raftkv" status --nonsense "$WORK"
expect 2 "$raftkv" region show x "$WORK"
expect 3 "$raftkv" status "$WORK/absent"
expect 3 "$raftkv" status "$WORK"
expect 0 "$raftkv" --version
expect 0 "$raftkv" --help
says 'exit status'

mount_up "metrics=unix:$WORK/metrics"
mkdir "$MNT/dir"
head -c 1000000 /dev/urandom >"$MNT/dir/file"
sync "$MNT/dir/file"
ino=$(stat -c %i "$MNT/dir/file")
for target in "$MNT" "$MNT/dir/file" "$VOLUME"; do
	expect 0 "$raftkv" status "$target"
	says "mounted *$MNT"
	expect 0 "$raftkv" status --json "$target"
	json '.store, .mount, .mounted, .regions, .leaders' "$VOLUME
$MNT
true
1
1"
	json '.data_used_bytes >= 1000000 and .process_id == '"$DAEMON"' and .writes_total > 0' true
done
expect 0 "$raftkv" region ls "$MNT"
says '1 .* - .* here$'
expect 0 "$raftkv" region show 1 "$MNT" --json
json '.[0].id, .[0].start, .[0].leader_term > 0' '1
null
true'
expect 3 "$raftkv" region show 99 "$MNT"
says 'no region 99'
expect 0 "$raftkv" region show --json "$MNT"
json '.[0].id' 1
expect 0 "$raftkv" region show dirid:7 "$MNT"
expect 3 "$raftkv" region split dirid:7000000 "$MNT"
says 'is no cluster'
expect 3 "$raftkv" debug kv "$MNT"
says 'unmount it first'
[ "$(stat -c %a,%F "$VOLUME/control")" = 600,socket ] || fail "the control socket is $(stat -c %a,%F "$VOLUME/control")"

# What a tree takes: as find and du count it.
mkdir -p "$MNT/tree/a/b" "$MNT/tree/c"
for i in 1 2 3 40000 300000; do head -c $i /dev/zero >"$MNT/tree/a/b/$i"; done
ln "$MNT/tree/a/b/300000" "$MNT/tree/c/again"
ln -s target "$MNT/tree/c/link"
truncate -s 1G "$MNT/tree/c/hole"
sync "$MNT/tree/a/b/300000"
expect 0 "$raftkv" du --json "$MNT/tree" "$MNT/tree/a/b/3"
json '.[0] | .size_bytes, .files, .directories' "$((1 + 2 + 3 + 40000 + 300000 + (1 << 30)))
7
3"
json '.[0].disk_bytes' "$(find "$MNT/tree" ! -type d -printf '%i %b\n' | sort -u | awk '{ sum += $2 * 512 } END { print sum }')"
json '.[1] | .size_bytes, .files, .directories' '3
1
0'
[ "$(getfattr --only-values -n raftkv.dir.rfiles "$MNT/tree")" = 7 ] || fail 'raftkv.dir.rfiles'
[ "$(getfattr --only-values -n raftkv.dir.rctime "$MNT/tree/c")" = "$(stat -c %Z "$MNT/tree/c/hole").$(stat -c %z "$MNT/tree/c/hole" | sed 's/.*\.\([0-9]*\) .*/\1/')" ] ||
	fail "raftkv.dir.rctime is $(getfattr --only-values -n raftkv.dir.rctime "$MNT/tree/c")"
[ "$(getfattr --only-values -n raftkv.region "$MNT/tree")" = 1 ] || fail 'raftkv.region'
getfattr -n raftkv.dir.rbytes "$MNT/tree/c/link" 2>/dev/null && fail 'rbytes of a file'
getfattr -n raftkv.nonsense "$MNT/tree" 2>/dev/null && fail 'an attribute that does not exist'
setfattr -n raftkv.region -v 2 "$MNT/tree" 2>/dev/null && fail 'a virtual attribute was set'
[ "$(getfattr -d -m - "$MNT/tree")" = '' ] || fail 'virtual attributes are listed'
expect 3 "$raftkv" du "$WORK"
says 'not in a mount of raftkv'
expect 0 "$raftkv" debug inode --json "$MNT/tree/a/b/40000"
json .size_bytes 40000
says "\"ino\":$(stat -c %i "$MNT/tree/a/b/40000")," # a number that jq would round
rm -r "$MNT/tree"

expect 0 "$raftkv" bench --seconds=1 --jobs=2 --json "$MNT/dir"
json 'length, (map(select(.per_second > 0)) | length), .[0].test' '8
8
create files'
[ "$(ls "$MNT/dir")" = file ] || fail "bench leaves $(ls "$MNT/dir")"
expect 3 "$raftkv" bench "$WORK/absent"
i=0
"$raftkv" top --count=1 --interval="${RAFTKV_PATIENCE:-1}" "$MNT" >"$WORK/out" &
while touch "$MNT/dir" && kill -0 $! 2>/dev/null; do stat "$MNT/absent$((i += 1))" >"$WORK/err" 2>&1; done
wait $! || fail "top exits with $?"
for row in lookup propose commit apply log_sync; do says "^$row *[0-9]"; done
expect 0 "$raftkv" top --count=2 --json "$MNT"
[ "$(jq -s length "$WORK/out")" = 2 ] || fail "two samples were asked for: $(cat "$WORK/out")"
expect 2 "$raftkv" top --count=x "$MNT"
expect 2 "$raftkv" status --count=1 "$MNT"

# Settings: of the mount, of a file, of a command line; what is printed is a file again.
"$raftkv" config "$MNT" >"$WORK/out" || fail 'config of a mount'
grep -q "^metrics = unix:$WORK/metrics *; -o metrics=unix:$WORK/metrics$" "$WORK/out" || fail "config: $(cat "$WORK/out")"
grep -q '^lanes = 0 *; default$' "$WORK/out" || fail "config: $(cat "$WORK/out")"
"$raftkv" config "$WORK/out" >"$WORK/again" || fail 'config of its own output'
grep -q "^metrics = unix:$WORK/metrics *; $WORK/out:" "$WORK/again" || fail "config again: $(cat "$WORK/again")"
diff <(sed 's/ *;.*//' "$WORK/out") <(sed 's/ *;.*//' "$WORK/again") || fail 'config is not what it read'
[ "$("$raftkv" config --json --kv.cache_bytes=1G "$WORK/out" | jq -r '.[] | select(.key == "cache_bytes") | .value + " " + .origin')" = '1073741824 the command line' ] || fail 'config of a command line'
expect 3 "$raftkv" config --kv.colour=red "$WORK/out"
expect 3 "$raftkv" config "$WORK/none.conf"
expect 3 "$raftkv" config --kv.cache_bytes=1G "$MNT"

# Metrics: of the socket that the mount was told, in the format that Prometheus reads.
curl -sf --unix-socket "$WORK/metrics" http://localhost/metrics >"$WORK/out" || fail 'no metrics'
awk '!/^# (HELP|TYPE) raftkv_[a-z_]+ / && !/^raftkv_[a-z_]+({[a-z]+="[^"]*"(,[a-z]+="[^"]*")*})? [0-9.]+$/' "$WORK/out" >"$WORK/err"
[ ! -s "$WORK/err" ] || fail "these lines are no metrics: $(cat "$WORK/err")"
says '^raftkv_reads_total{path="lease"} [1-9]'
says '^raftkv_fuse_ops_duration_seconds_bucket{op="create",le="+Inf"} [1-9]'
[ "$(grep '^# TYPE' "$WORK/out" | sort | uniq -d)" = "" ] || fail 'a family is described twice'
curl -sf --unix-socket "$WORK/metrics" http://localhost/ | grep -q '<td>writes_total' || fail 'no page'
[ "$(curl -s -o "$WORK/out" -w '%{http_code}' --unix-socket "$WORK/metrics" http://localhost/x)" = 404 ] || fail 'a page that is not there'
[ "$(curl -s -o "$WORK/out" -w '%{http_code}' -X POST --unix-socket "$WORK/metrics" http://localhost/metrics)" = 405 ] || fail 'POST'
[ "$(stat -c %a "$WORK/metrics")" = 600 ] || fail "the metrics' socket has mode $(stat -c %a "$WORK/metrics")"

# Many that ask at once, and some that go away before they are answered.
(
	for i in $(seq 40); do
		"$raftkv" status --json "$MNT" >/dev/null &
		[ $((i % 4)) = 0 ] && kill -9 $!
	done
	wait
) 2>/dev/null
expect 0 "$raftkv" status "$MNT"

kill -STOP "$DAEMON"
expect 1 "$raftkv" health "$MNT"
says RKV007
kill -CONT "$DAEMON"
echo late >"$MNT/late"
mount_kill
echo '2026-01-01T00:00:00.000Z level=error msg="something"' >"$VOLUME/log"
expect 0 "$raftkv" status --json "$VOLUME"
json '.mounted, (.log_entries_to_replay > 0), (.last_error | contains("something"))' 'false
true
true'
expect 1 "$raftkv" health --json "$VOLUME"
json '.[] | select(.code == "RKV006") | .code' RKV006
expect 0 "$raftkv" debug log "$VOLUME"
says 'not among the rows yet'
expect 0 "$raftkv" debug kv "$VOLUME"
says '^extents'
expect 0 "$raftkv" debug inode "$VOLUME" "$ino"
says "ino $ino"
expect 0 "$raftkv" debug inode --json "$VOLUME" "$ino"
json '.size_bytes' 1000000
expect 3 "$raftkv" debug inode "$VOLUME" 99
mount_up
mount_down

bash -n <("$raftkv" completion bash) || fail "the completion is no bash"
[ "$(bash -c 'source <("$1" completion bash); COMP_WORDS=(raftkv region s) COMP_CWORD=2; _raftkv; echo "${COMPREPLY[*]}"' - "$raftkv")" = 'show split scatter' ] ||
	fail "the completion does not complete"
page=$(mandoc -Tutf8 man/raftkv.1 | col -bx)
while read -r verb; do
	grep -q -- "^ *$verb" <<<"$page" || fail "'$verb' is not in raftkv(1)"
done < <("$raftkv" --help | sed -n 's/^  \([a-z]* \?[a-z]*\)  .*/\1/p' | grep -v raftkv)
for code in $(sed -n 's/.*"\(RKV[0-9]*\)".*/\1/p' mount-helpers/command_status.c | sort -u); do
	grep -q "$code" <<<"$page" || fail "$code is not in raftkv(1)"
done

# A store that keeps its log in RocksDB stays one, whatever is asked for later, and every program can read it.
VOLUME=$WORK/rocksdb
port=$((20000 + RANDOM % 10000))
mount_up "raft-engine.enable=false,metrics=127.0.0.1:$port"
head -c 300000 /dev/urandom >"$MNT/data"
sum=$(sha256sum <"$MNT/data")
sync "$MNT/data"
# A port is as good as a directory, for who may reach it.
for verb in status health top\ --count=1 region\ ls config; do
	expect 0 "$raftkv" $verb "127.0.0.1:$port"
done
says '^enable = false *; -o raft-engine.enable=false'
expect 0 "$raftkv" status --json "localhost:$port"
json '.store, .mount, .mounted' "$VOLUME
$MNT
true"
expect 3 "$raftkv" debug kv "127.0.0.1:$port"
mount_kill
expect 0 "$BUILD/fsck.raftkv" --data "$VOLUME"
says 'clean'
expect 3 "$raftkv" status "127.0.0.1:$port"
says 'does not answer'
expect 0 "$raftkv" debug log "$VOLUME"
says 'not among the rows yet'
mount_up "metrics=127.0.0.1:$port"
[ "$(sha256sum <"$MNT/data")" = "$sum" ] || fail 'the data is not what it was'
# Connections that send a byte now and then keep nobody out: the oldest make room.
python3 - "$port" "$WORK/slow" <<'END' &
import socket, sys, time
slow = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(40)]
open(sys.argv[2], "w").close()
while True:
    for connection in slow:
        try:
            connection.send(b"G")
        except OSError:
            pass
    time.sleep(1)
END
slow=$!
for _ in $(seq 300); do
	[ -e "$WORK/slow" ] && break
	sleep 0.1
done
expect 0 "$raftkv" status "127.0.0.1:$port"
kill "$slow"
wait "$slow" 2>/dev/null
mount_down
