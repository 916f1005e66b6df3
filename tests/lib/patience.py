#!/usr/bin/env python3
"""How patient a test has to be: how much slower this machine is at the moment than an idle one, and limits that go by it.

    patience.py                     prints that factor, a whole number from 1 to FACTOR_MAX
    patience.py LIMIT COMMAND...    runs the command in a process group of its own; what is left of it after as much time as
                                    LIMIT seconds of an idle machine is ended, with exit status 124

A limit is there to end what hangs. Whoever waits for a condition does so with until(), or with `await` of patience.sh.
"""
import math
import os
import signal
import subprocess
import sys
import tempfile
import time

FACTOR_MAX = 30
SAMPLE_S = 15  # between two looks at the machine
GRACE_S = 20  # between SIGTERM and SIGKILL

# What an idle machine with two cores takes, with some room.
LOOPS, LOOPS_S = 200000, 0.04
SYNCS, SYNCS_S = 8, 0.04
TURNS, TURNS_S = 200, 0.02


def count():
    number = 0
    for i in range(LOOPS):
        number += i * i


def write_and_sync():
    with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR", "/var/tmp")) as file:
        for i in range(SYNCS):
            os.pwrite(file.fileno(), bytes(4096), i * 4096)
            os.fdatasync(file.fileno())


def take_turns():
    """With another process, each of which sleeps until the other one wakes it."""
    ours, theirs = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        os.close(ours[1])
        while os.read(ours[0], 1):
            os.write(theirs[1], b"x")
        os._exit(0)
    for _ in range(TURNS):
        os.write(ours[1], b"x")
        os.read(theirs[0], 1)
    for fd in ours + theirs:
        os.close(fd)
    os.waitpid(child, 0)


def seconds_of(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def slowness():
    """How many seconds of this machine are worth one of an idle one; 1 when it is idle."""
    slowest = max(seconds_of(count) / LOOPS_S, seconds_of(write_and_sync) / SYNCS_S, seconds_of(take_turns) / TURNS_S)
    return min(max(slowest, 1), FACTOR_MAX)


def factor():
    """The slowness that was measured when the tests began."""
    return float(os.environ.get("RAFTKV_PATIENCE", 1))


def until(seconds, condition, what):
    """Until the condition is true: as long as that may take on a machine as slow as this one."""
    begin, patience = time.monotonic(), factor()
    while not condition():
        if time.monotonic() - begin > seconds * patience:
            patience = max(patience, slowness())
            assert time.monotonic() - begin <= seconds * patience, what
        time.sleep(0.02)


def end(child):
    """The whole group: what a command has started does not outlive it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            pass


def run(limit, command):
    """The command's exit status, as a shell gives it."""
    child = subprocess.Popen(command, process_group=0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: os.killpg(child.pid, number))
    spent, step = 0, min(limit, SAMPLE_S)
    while spent < limit:
        begin = time.monotonic()
        try:
            status = child.wait(step)
            return status if status >= 0 else 128 - status
        except subprocess.TimeoutExpired:
            spent += (time.monotonic() - begin) / slowness()
        step = min(max(limit - spent, 0.1), SAMPLE_S)
    end(child)
    return 124


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(math.ceil(slowness()))
    else:
        sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
