#!/bin/bash
# changes.sh [-3] [COUNT]: what one change costs, by one thread that waits for each: chmod, create, rename, unlink. A store that
# is embedded in its mount, or (-3) three stores and a mount, in memory, so that no disk is in the figures. For each kind it
# prints the time of one (the median of COUNT, 2000), and for each process its processor time and context switches for one.
#
# BUILD names the build folder, BENCH where the stores are (/dev/shm: a new directory; it is removed).
set -eu
stores=
[ "${1:-}" != -3 ] || { stores="1 2 3" && shift; }
count=${1:-2000}
build=$(cd "$(dirname "$(readlink -f "$0")")/../.." && realpath -m "${BUILD:-build}")
bench=$(mktemp -d "${BENCH:-/dev/shm}/raftkv-changes.XXXXXX")
pids=() names=()

end() {
	! mountpoint -q "$bench/mnt" || umount "$bench/mnt"
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$bench"
}
trap end EXIT
trap 'exit 1' INT TERM

mkdir "$bench/mnt"
if [ -n "$stores" ]; then
	source=unix:$bench/1.sock,unix:$bench/2.sock,unix:$bench/3.sock
	for n in $stores; do
		"$build/raftkvd" --config /dev/null --data "$bench/$n" --listen "unix:$bench/$n.sock" --initial-cluster "$source" \
			2>>"$bench/$n.log" &
		pids+=($!) names+=("store $n")
	done
else
	source=$bench/store
	mkdir "$source"
fi
"$build/mount.raftkv" "$source" "$bench/mnt" -o foreground 2>>"$bench/mount.log" &
pids+=($!) names+=(mount)
for _ in $(seq 600); do
	! mountpoint -q "$bench/mnt" || break
	sleep 0.1
done
mountpoint -q "$bench/mnt" || { cat "$bench"/*.log >&2; exit 1; }
sleep 3 # until leaders and lives have settled

cpu_us() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($12 + $13) * 1e6 / hz }' "/proc/$1/stat"; }
switches() { awk '/ctxt_switches/ { sum += $2 } END { print sum }' /proc/"$1"/task/*/status; }
for kind in chmod create rename unlink; do
	cpu=() switched=()
	for pid in "${pids[@]}"; do cpu+=("$(cpu_us "$pid")") switched+=("$(switches "$pid")"); done
	python3 - "$kind" "$bench/mnt" "$count" <<'PYTHON'
import os, sys, time

kind, root, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR
do = {
    "chmod": lambda i: os.chmod(f"{root}/file", 0o600 + i % 2),
    "create": lambda i: os.close(os.open(f"{root}/new{i}", CREATE, 0o600)),
    "rename": lambda i: os.rename(f"{root}/new{i}", f"{root}/old{i}"),
    "unlink": lambda i: os.unlink(f"{root}/old{i}"),
}[kind]
if kind == "chmod":
    os.close(os.open(f"{root}/file", CREATE, 0o600))
times = []
for i in range(count):
    begun = time.perf_counter()
    do(i)
    times.append(time.perf_counter() - begun)
print(f"{kind}\t{sorted(times)[count // 2] * 1e6:.0f}\tus")
PYTHON
	for i in "${!pids[@]}"; do
		printf '%s, %s\t%d\tus of CPU\n' "$kind" "${names[i]}" $((($(cpu_us "${pids[i]}") - cpu[i]) / count))
		printf '%s, %s\t%d.%02d\tcontext switches\n' "$kind" "${names[i]}" \
			$((($(switches "${pids[i]}") - switched[i]) / count)) $((($(switches "${pids[i]}") - switched[i]) * 100 / count % 100))
	done
done
