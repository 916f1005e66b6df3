"""Calls on a file under a storm of SIGALRM, until the file STOP is there: none may say EINTR or come back short, however long
some of them wait. ROUNDS gets a byte for each round of calls.

    alarmed.py FILE STOP ROUNDS
"""
import ctypes
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
alarms = [0]


def on_alarm(number, frame):
    alarms[0] += 1


def call(name, *arguments):
    """Straight to libc: Python itself would repeat what was interrupted."""
    result = getattr(libc, name)(*arguments)
    if result < 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


for name in ("pread", "pwrite"):
    getattr(libc, name).restype = ctypes.c_ssize_t
signal.signal(signal.SIGALRM, on_alarm)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
fd = call("open", sys.argv[1].encode(), os.O_CREAT | os.O_RDWR, 0o644)
rounds, note = 0, open(sys.argv[3], "wb", buffering=0)
while not os.path.exists(sys.argv[2]):
    data = b"%08d" % rounds
    back = ctypes.create_string_buffer(8)
    if call("pwrite", fd, data, ctypes.c_size_t(8), ctypes.c_long(0)) != 8:
        sys.exit("a short write")
    call("fsync", fd)
    call("posix_fadvise", fd, ctypes.c_long(0), ctypes.c_long(0), 4)
    if call("pread", fd, back, ctypes.c_size_t(8), ctypes.c_long(0)) != 8 or back.raw != data:
        sys.exit("a short or wrong read")
    rounds += 1
    note.write(b".")
signal.setitimer(signal.ITIMER_REAL, 0)
print(f"{alarms[0]} alarms in {rounds} rounds")
sys.exit(0 if rounds > 1 and alarms[0] > 3 else "nothing was interrupted")
