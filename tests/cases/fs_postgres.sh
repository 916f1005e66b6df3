# limit: 180
# PostgreSQL: initdb, pgbench, kill -9 of the server and then of the mount under load, recovery, amcheck. No commit that
# a client was told of is lost, and the books balance.
. tests/lib/mount.sh

programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$programs" ] || { echo "needs PostgreSQL"; exit 77; }
id postgres >/dev/null || { echo "needs the user postgres"; exit 77; }
SERVER=
ROUNDS=${RAFTKV_TORTURE:-1}

as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups env -i PATH="$programs:/usr/bin:/bin" PGHOST="$WORK/socket" "$@"; }
sql() { as_postgres psql -qAtX -d postgres "$@"; }
check() { as_postgres "$@" >"$WORK/output.log" 2>&1 || fail "$*: $(tail -n 5 "$WORK/output.log" "$WORK/server.log")"; }

# The server and what it started, by their ids.
kill_server() {
	[ -n "$SERVER" ] || return
	local children
	children=$(pgrep -P "$SERVER")
	# shellcheck disable=SC2086
	kill -9 "$SERVER" $children 2>/dev/null
	wait "$SERVER" 2>/dev/null
	SERVER=
}
trap 'kill_server; clean_up' EXIT

is_ready_or_dead() { as_postgres pg_isready -q || has_ended "$SERVER"; }

start_server() {
	setpriv --reuid postgres --regid postgres --clear-groups "$programs/postgres" -D "$MNT/postgres/data" -k "$WORK/socket" \
		-c listen_addresses= -c shared_buffers=32MB -c max_wal_size=64MB >>"$WORK/server.log" 2>&1 &
	SERVER=$!
	await 60 is_ready_or_dead
	as_postgres pg_isready -q || fail "the server did not start: $(tail -n 20 "$WORK/server.log")"
}

# Each line that a client prints is a commit that it was told of.
insert_for_ever() { # WRITER
	for number in $(seq 1000000); do echo "INSERT INTO notes VALUES ($1, $number) RETURNING number;"; done |
		sql -v ON_ERROR_STOP=1 >>"$WORK/noted.$1" 2>/dev/null
}

have_noted() { [ "$(cat "$WORK"/noted.* | wc -l)" -ge "$1" ]; }

load_until_noted() { # COUNT
	clients=
	as_postgres pgbench -n -c 2 -T 10000 postgres >/dev/null 2>&1 &
	clients=$!
	for writer in 1 2; do
		: >"$WORK/noted.$writer"
		insert_for_ever "$writer" &
		clients="$clients $!"
	done
	await 60 have_noted "$1"
}

is_whole() {
	local writer last
	for writer in 1 2; do
		last=$(tail -n 1 "$WORK/noted.$writer")
		[ "$(sql -c "SELECT count(*) FROM notes WHERE writer = $writer AND number <= $last")" = "$last" ] ||
			fail "$1: writer $writer was told of $last commits"
	done
	[ "$(sql -c 'SELECT count(*) FROM (SELECT 1 FROM notes GROUP BY writer, number HAVING count(*) > 1) AS twice')" = 0 ] ||
		fail "$1: a row is there twice"
	[ "$(sql -c 'SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(tbalance) FROM pgbench_tellers)
		AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT coalesce(sum(delta), 0) FROM pgbench_history)')" = t ] ||
		fail "$1: the books do not balance"
	check pg_amcheck --all --heapallindexed
	sql -c 'TRUNCATE notes'
}

mount_up
chmod 755 "$MNT"
mkdir "$MNT/postgres" "$WORK/socket"
chown postgres: "$MNT/postgres" "$WORK/socket"
chmod 700 "$MNT/postgres"
touch "$WORK/server.log"
check initdb -k -A trust -D "$MNT/postgres/data"
start_server
check createdb other
check pgbench -i -q -s 2 postgres
sql -c 'CREATE EXTENSION amcheck; CREATE TABLE notes (writer integer, number integer, PRIMARY KEY (writer, number))'

for round in $(seq $ROUNDS); do
	load_until_noted 300
	kill_server
	wait $clients 2>/dev/null
	start_server
	is_whole "round $round, after kill -9 of the server"

	load_until_noted 300
	mount_kill
	kill_server
	wait $clients 2>/dev/null
	mount_up
	start_server
	is_whole "round $round, after kill -9 of the mount"
done
check pg_ctl stop -t 10000 -m fast -D "$MNT/postgres/data"
wait "$SERVER" || fail "the server ended with status $?"
SERVER=
mount_down
mount_up
check pg_checksums --check -D "$MNT/postgres/data"
mount_down
