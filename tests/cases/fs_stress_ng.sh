# limit: 120
# The filesystem stressors of stress-ng with --verify: RAFTKV_TORTURE is for how many seconds each (1), several at a time.
. tests/lib/mount.sh

command -v stress-ng >/dev/null || { echo "needs stress-ng"; exit 77; }
seconds=${RAFTKV_TORTURE:-1}
STREAMS=4
stressors="access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fcntl file-ioctl filename \
	flock fpunch fsize fstat getdent handle hdd io iomix lease link locka lockf lockofd mknod open rename symlink \
	sync-file touch utime xattr"

stress() { # STREAM
	local number=0 bad=0 log
	for stressor in $stressors; do
		number=$((number + 1))
		[ $((number % STREAMS)) = "$1" ] || continue
		log=$WORK/$stressor.log
		if ! (cd "$WORK/$1" && stress-ng "--$stressor" 2 --timeout "${seconds}s" --verify --temp-path "$MNT/$1") >"$log" 2>&1; then
			echo "$stressor:"
			tail -n 10 "$log"
			bad=1
		fi
	done
	return $bad
}

mount_up
streams=
for stream in $(seq 0 $((STREAMS - 1))); do
	mkdir "$MNT/$stream" "$WORK/$stream"
	stress "$stream" &
	streams="$streams $!"
done
bad=0
for stream in $streams; do
	wait "$stream" || bad=1
done
[ $bad = 0 ] || fail "a stressor"
# Where its time is over between two calls, the chattr stressor leaves its file, immutable or append-only.
for file in "$MNT"/*/tmp-stress-ng-chattr-*/*; do
	[ -e "$file" ] || continue
	chattr -i -a "$file" && rm "$file" && rmdir "${file%/*}" || fail "$file"
done
for stream in $(seq 0 $((STREAMS - 1))); do
	rmdir "$MNT/$stream" || fail "left behind: $(ls -A "$MNT/$stream")"
done
if grep -q "is lost" "$WORK"/*.log; then
	grep "is lost" "$WORK"/*.log
	fail "data that was acknowledged is lost"
fi
mount_down
