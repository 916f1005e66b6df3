# Sourced by cases, after tests/lib/mount.sh: runs a command and checks how it exits and what it prints.
#
#   expect STATUS COMMAND…     fails unless the command exits so; its output is kept in $WORK/out and $WORK/err
#   says PATTERN               … unless a line of what was kept matches
#   json FILTER VALUE          … unless jq finds the value in $WORK/out
expect() {
	local wanted=$1 got
	shift
	"$@" >"$WORK/out" 2>"$WORK/err"
	got=$?
	[ $got = "$wanted" ] || fail "$*: exit status $got instead of $wanted: $(cat "$WORK/out" "$WORK/err")"
}

says() { grep -q -- "$1" "$WORK/out" "$WORK/err" || fail "nothing says '$1': $(cat "$WORK/out" "$WORK/err")"; }

json() {
	local got
	got=$(jq -r "$1" "$WORK/out")
	[ "$got" = "$2" ] || fail "$1 of the JSON is '$got', not '$2': $(cat "$WORK/out")"
}
