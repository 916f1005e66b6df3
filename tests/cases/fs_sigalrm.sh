# limit: 120
# A storm of SIGALRM: no call on a regular file says EINTR or comes back short.
. tests/lib/mount.sh

mount_up
python3 - "$MNT" <<'EOF' || fail "a call was interrupted"
import ctypes, os, signal, sys

libc = ctypes.CDLL(None, use_errno=True)
storms = [0]

def on_alarm(number, frame):
    storms[0] += 1

def call(name, *arguments):
    """Straight to libc: Python itself would repeat what was interrupted."""
    result = getattr(libc, name)(*arguments)
    if result < 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result

for name in ("read", "write", "pread", "pwrite"):
    getattr(libc, name).restype = ctypes.c_ssize_t
signal.signal(signal.SIGALRM, on_alarm)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
size, rounds = 700000, 0
data = ctypes.create_string_buffer(os.urandom(size), size)
back = ctypes.create_string_buffer(size)
os.chdir(sys.argv[1])
while rounds < 100 or storms[0] < 1000:
    name = f"file{rounds}".encode()
    fd = call("open", name, os.O_CREAT | os.O_RDWR, 0o644)
    for offset in (0, size):
        if call("pwrite", fd, data, ctypes.c_size_t(size), ctypes.c_long(offset)) != size:
            sys.exit("a short write")
    call("fsync", fd)
    call("posix_fadvise", fd, ctypes.c_long(0), ctypes.c_long(0), 4)
    if call("pread", fd, back, ctypes.c_size_t(size), ctypes.c_long(size)) != size or back.raw != data.raw:
        sys.exit("a short or wrong read")
    call("ftruncate", fd, ctypes.c_long(100))
    call("close", fd)
    call("rename", name, name + b"renamed")
    call("mkdir", name, 0o755)
    call("rmdir", name)
    call("unlink", name + b"renamed")
    rounds += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print(f"{storms[0]} signals in {rounds} rounds, none was noticed")
EOF
mount_down
