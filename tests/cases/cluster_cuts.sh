# limit: 240
# Three stores and a mount on hosts of their own, between which nothing passes for a while. A mount that is cut off from the
# leader alone goes on through a follower, and keeps its session. A follower that is cut off from the leader, or from the
# mount, does not hold up those who read from followers.
. tests/lib/hosts.sh
. tests/lib/mount.sh
. tests/lib/cluster.sh

STORE_OPTIONS=(--insecure --server.session_expiry_ms=6000)
stores_on_hosts
host_up near
host_up far
stores_up
cluster_mount near
cluster_mount far read=follower
retries() { "$BUILD/raftkv" status --json "$WORK/far" | jq .retries_total; }
look() { # 2000 names that are not there, each of which is a read of its own
	python3 - "$WORK/far" "$1" <<-END
		import os, sys
		assert not any(os.path.exists(f"{sys.argv[1]}/{sys.argv[2]}.{i}") for i in range(2000))
	END
}
are_spared() { # WHAT: reads go to those who can answer, but for one now and then
	local before
	look "$1.noticing"
	before=$(retries)
	look "$1"
	[ $(($(retries) - before)) -lt 500 ] || fail "$1: $(($(retries) - before)) of 2000 reads were asked again"
}
acknowledged() { grep -c '^done' "$WORK/journal"; }
progress() { [ "$(acknowledged)" -gt "$1" ]; }
python3 tests/lib/journaled_load.py run "$WORK/near/1" "$WORK/journal" 1 &
load=$!
await 30 progress 100

# ---- A mount, from the leader ----
leader=$(store_leader)
hosts_cut near "$leader"
sleep 12 # more than its connections last, and two periods of the session, so that it is lost unless somebody passes its beats on
await 30 progress $(($(acknowledged) + 200))
[ "$(store_leader)" = "$leader" ] || fail "another store leads"
head -c 3000000 /dev/urandom >"$WORK/data"
cp "$WORK/data" "$WORK/near/data" || fail "cp through a follower"
cmp "$WORK/data" "$WORK/far/data" || fail "not what was copied through a follower"
grep -q "ended this mount's session" "$WORK/near.log" && fail "the mount lost its session"
hosts_mend
await 30 progress $(($(acknowledged) + 200))

# ---- A follower, from the leader; then from the mount ----
other=$((leader % 3 + 1))
hosts_cut $other "$leader"
are_spared 'a follower without a leader'
hosts_mend
hosts_cut far $other
are_spared 'a follower out of reach'
hosts_mend

kill $load
wait $load 2>/dev/null
python3 tests/lib/journaled_load.py check "$WORK/near/1" "$WORK/journal" || fail "the load"
cluster_umount near
cluster_umount far
for n in 1 2 3; do store_down $n; done
