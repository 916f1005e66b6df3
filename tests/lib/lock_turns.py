"""Contenders on two mounts, A and B, that lock one file in a loop: each gets its turn.

    lock_turns.py A B [GRANTS]

Who waits is not overtaken again and again by the same other one. The verdict is by counts of grants, not by time. Some
waits may be worse: a contender that the machine did not run for long is passed over.
"""
import ctypes
import fcntl
import mmap
import os
import sys
import tempfile
import time

from patience import until
from two_mounts import put, run

A, B = sys.argv[1], sys.argv[2]
GRANTS = int(sys.argv[3]) if len(sys.argv) > 3 else 200
MOUNTS = (A, B, A, B)
OVERTAKEN_MAX = 3  # times by one other, in a fair wait: some of them before the leader knew of the wait
UNFAIR_ONE_IN = 20


class Shared(ctypes.Structure):
    _fields_ = [("granted", ctypes.c_uint64 * len(MOUNTS)), ("ready", ctypes.c_bool * len(MOUNTS))]


def contend(shared, who, take, path, report):
    """Locks and unlocks until there were GRANTS of all. Of each wait: how often another was granted, and the worst one."""
    fd = os.open(path, os.O_RDWR)
    shared.ready[who] = True
    until(60, lambda: all(shared.ready), "a contender does not come")
    while sum(shared.granted) < GRANTS:
        before = list(shared.granted)
        take(fd, fcntl.LOCK_EX)
        others = [shared.granted[i] - before[i] for i in range(len(MOUNTS)) if i != who]
        shared.granted[who] += 1
        take(fd, fcntl.LOCK_UN)
        report.write(f"{sum(others)} {max(others)}\n")
    report.flush()
    os.close(fd)


def turns(take, name):
    put(f"{A}/{name}", b"")
    shared = Shared.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
    began = time.monotonic()
    contenders = []
    for who, mount in enumerate(MOUNTS):
        report = tempfile.TemporaryFile("w+")
        pid = os.fork()
        if pid == 0:
            try:
                contend(shared, who, take, f"{mount}/{name}", report)
                os._exit(0)
            finally:
                os._exit(1)
        contenders.append((pid, report))
    waits = []
    for pid, report in contenders:
        assert os.waitpid(pid, 0)[1] == 0, "a contender failed"
        report.seek(0)
        waits += [[int(count) for count in line.split()] for line in report]
    unfair = sum(worst > OVERTAKEN_MAX for _, worst in waits)
    print(f"{name}: {list(shared.granted)} grants, {len(waits) / (time.monotonic() - began):.0f} a second; the longest wait"
          f" {max(count for count, _ in waits)} grants; one other came first {max(worst for _, worst in waits)} times;"
          f" {unfair} unfair waits", flush=True)
    assert unfair * UNFAIR_ONE_IN <= len(waits), f"{unfair} of {len(waits)} waits were unfair"


def turns_flock():
    turns(fcntl.flock, "flock")


def turns_lockf():
    turns(fcntl.lockf, "lockf")


run(globals(), lambda name: name.startswith("turns_"))
