"""Data that is acknowledged and then can not be written: who has the file open is told.

    lost_data.py full DIRECTORY                fills the disk under it, makes room again, writes on, and syncs
    lost_data.py session FILE PID LOG...       the mount's daemon PID sleeps until its cluster has given it up
"""
import errno
import os
import signal
import sys
import time

BLOCK = 1 << 20
PATIENCE_S = 60


def outcome(call, *arguments):
    """The error that a call ends with, or 0."""
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 0


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found}, not {wanted}")


def fill(path):
    """A file that leaves no room for another block."""
    with open(path, "wb", buffering=0) as file:
        while not outcome(file.write, os.urandom(BLOCK)):
            pass
        outcome(os.fsync, file.fileno())


def make_room(directory, wanted):
    os.unlink(f"{directory}/full")
    end = time.monotonic() + PATIENCE_S
    while True:
        with open(f"{directory}/probe", "wb", buffering=0) as file:
            if not outcome(file.write, os.urandom(wanted)) and not outcome(os.fsync, file.fileno()):
                break
        if time.monotonic() > end:
            sys.exit("no room after a file was removed")
        time.sleep(0.05)
    os.unlink(f"{directory}/probe")


def write_block(file, block):
    return outcome(os.pwrite, file, bytes([block % 255 + 1]) * BLOCK, block * BLOCK)


def write_past_the_end_of_room(directory, file):
    """Writes blocks until one says that there is no room, makes some, and goes on with that block. The block."""
    first = 0
    while not (error := write_block(file, first)):
        first += 1
    expect(f"the write of block {first}", error, "ENOSPC")
    make_room(directory, 128 * BLOCK)
    for block in range(first, first + 16):
        while write_block(file, block):  # of blocks before it
            time.sleep(0.05)
    os.fchmod(file, 0o600)  # whatever else fails has failed,
    while write_block(file, first):  # and is told
        os.fchmod(file, 0o600)
    return first


def full(directory):
    file = os.open(f"{directory}/lost", os.O_RDWR | os.O_CREAT, 0o644)
    beside = os.open(f"{directory}/lost", os.O_RDONLY)
    fill(f"{directory}/full")
    first = write_past_the_end_of_room(directory, file)
    expect("the first fsync", outcome(os.fsync, file), "ENOSPC")
    expect("the second fsync", outcome(os.fsync, file), 0)
    expect("fsync of another descriptor", outcome(os.fsync, beside), "ENOSPC")
    expect("close", outcome(os.close, file), 0)
    expect("the other close", outcome(os.close, beside), 0)
    os.unlink(f"{directory}/lost")
    print(f"block {first} said ENOSPC, and fsync after it")


def times_given_up(logs):
    return sum("session was silent for too long" in line for log in logs for line in open(log))


def sleep_until_given_up(pid, logs):
    before = times_given_up(logs)
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + PATIENCE_S
    while times_given_up(logs) == before and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(pid, signal.SIGCONT)
    if times_given_up(logs) == before:
        sys.exit("the cluster did not give the mount up")


def loses_data(path, pid, logs):
    """A child ends between the loss and the fsync: its close is told, too, and takes nothing. False: the daemon was
    quicker, and the data is there."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.write(file, b"x" * 4096)
    sleep_until_given_up(pid, logs)
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    size = os.fstat(file).st_size
    expect("close of a copy", outcome(os.close, os.dup(file)), 0 if size else "EIO")
    expect("the first fsync", outcome(os.fsync, file), 0 if size else "EIO")
    expect("the second fsync", outcome(os.fsync, file), 0)
    expect("close", outcome(os.close, file), 0)
    os.unlink(path)
    return size == 0


def session(path, pid, *logs):
    for _ in range(3):
        if loses_data(path, int(pid), logs):
            return
    sys.exit("no data was lost")


{"full": full, "session": session}[sys.argv[1]](*sys.argv[2:])
