"""Two mounts of one filesystem, A and B: what one does and the other must see.

    coherence.py A B [SECONDS]

Each function that begins with `two_` is a test. Nothing here waits for a cache to run out unless it says so.
"""
import ctypes
import fcntl
import mmap
import os
import random
import signal
import subprocess
import sys
import time

A, B = sys.argv[1], sys.argv[2]
SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 3
PAGE = 4096
CACHE_S = 1.2  # the kernel asks for names and attributes again after one second


def put(path, data, flags=os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    assert os.write(fd, data) == len(data)
    os.close(fd)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def two_close_to_open():
    """What was written and closed there is read by whoever opens it here afterwards, though here are pages of it."""
    end, rounds = time.monotonic() + SECONDS, 0
    put(f"{A}/close", b"")
    time.sleep(CACHE_S)  # the name
    get(f"{B}/close")
    while time.monotonic() < end:
        source, target = (A, B) if rounds % 2 else (B, A)
        data = bytes([rounds % 256]) * random.choice([1, 100, PAGE, 5 * PAGE + 7, 100000])
        put(f"{source}/close", data, 0 if rounds % 3 else os.O_TRUNC)
        with open(f"{target}/close", "rb") as file:
            seen = file.read(len(data))
        assert seen == data, f"round {rounds}: old data"
        rounds += 1
    assert rounds > 10


def two_stat_then_read():
    """A reader that keeps the file open: once stat shows the new size, the bytes behind it are there, too."""
    put(f"{A}/grow", b"x" * 10)
    fd = os.open(f"{B}/grow", os.O_RDONLY)
    assert os.pread(fd, 100, 0) == b"x" * 10
    size = 10
    for round_ in range(30):
        put(f"{A}/grow", b"x" * (size + 7))
        size += 7
        end = time.monotonic() + 10
        while os.fstat(fd).st_size != size:
            assert time.monotonic() < end, "the new size is never seen"
            time.sleep(0.02)
        assert os.pread(fd, size + 100, 0) == b"x" * size, f"round {round_}: a hole in place of data"
    os.close(fd)


def two_maps():
    """A mapped reader sees what was written there, a while after; its own changes are there when they are synced."""
    put(f"{A}/map", b"old!" * PAGE)
    time.sleep(CACHE_S)
    fd = os.open(f"{B}/map", os.O_RDWR)
    view = mmap.mmap(fd, 0)
    assert view[:4] == b"old!"
    other = os.open(f"{A}/map", os.O_RDWR)
    os.pwrite(other, b"new!", 0)
    os.fsync(other)
    end = time.monotonic() + 10
    while view[:4] != b"new!":
        os.stat(f"{B}/map")
        assert time.monotonic() < end, "a mapping never sees the change"
        time.sleep(0.05)
    view[2 * PAGE:2 * PAGE + 4] = b"mine"
    view.flush()
    assert os.pread(os.open(f"{A}/map", os.O_RDONLY), 4, 2 * PAGE) == b"mine"
    view.close()
    os.close(fd)
    os.close(other)


def two_names():
    """A name that was not looked up here before is seen, or is not there, at once; others within the documented second."""
    for i in range(20):
        os.mkdir(f"{A}/d{i}")
        put(f"{A}/d{i}/f", b"1")
        assert get(f"{B}/d{i}/f") == b"1"
        assert os.listdir(f"{B}/d{i}") == ["f"]
        os.rename(f"{A}/d{i}/f", f"{A}/d{i}/g")
        assert os.path.exists(f"{B}/d{i}/g")
        assert os.listdir(f"{B}/d{i}") == ["g"]
    assert not os.path.exists(f"{B}/later")  # no negative entry
    put(f"{A}/later", b"")
    assert os.path.exists(f"{B}/later")
    assert os.path.exists(f"{B}/d0/g")
    os.unlink(f"{A}/d0/g")
    time.sleep(CACHE_S)
    assert not os.path.exists(f"{B}/d0/g")
    os.rmdir(f"{B}/d0")


def two_exclusive():
    """O_EXCL: each name has one maker."""
    children = []
    for mount in (A, B, A, B):
        pid = os.fork()
        if pid == 0:
            won = 0
            for i in range(60):
                try:
                    os.close(os.open(f"{mount}/excl{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                    won += 1
                except FileExistsError:
                    pass
            os._exit(won)
        children.append(pid)
    won = sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children)
    assert won == 60, f"{won} processes made 60 names"


def append_records(path, who, count, flags=os.O_APPEND):
    fd, written = os.open(path, os.O_WRONLY | flags), 0
    if not flags:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    for i in range(count):
        record = f"{who} {i} ".encode().ljust(random.choice([20, 300, 5000]) - 1, b".") + b"\n"
        assert os.write(fd, record) == len(record)
        written += len(record)
    os.close(fd)
    put(f"{A}/sizes", b"%d\n" % written, os.O_CREAT | os.O_APPEND)
    os._exit(0)


def two_appends():
    """Appends of several processes on both mounts: every record whole, in each writer's order, none lost."""
    put(f"{A}/log", b"")
    children = []
    for who, (mount, flags) in enumerate([(A, os.O_APPEND), (B, os.O_APPEND), (A, os.O_APPEND), (B, os.O_APPEND)]):
        pid = os.fork()
        if pid == 0:
            append_records(f"{mount}/log", who, 100, flags)
        children.append(pid)
    reader = os.open(f"{B}/log", os.O_RDONLY)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0, "an appender failed"
    lines = get(f"{A}/log").splitlines()
    for who in range(4):
        mine = [int(line.split()[1]) for line in lines if int(line.split()[0]) == who]
        assert mine == list(range(100)), f"writer {who}: {len(mine)} records, or out of order"
    assert len(lines) == 400
    os.close(reader)


def two_appends_late():
    """O_APPEND by fcntl(2), on a descriptor that writes through pages: records come in pieces, and none overlaps."""
    put(f"{A}/late", b"")
    put(f"{A}/sizes", b"")
    children = []
    for who, mount in enumerate([A, B]):
        pid = os.fork()
        if pid == 0:
            append_records(f"{mount}/late", who, 60, 0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0, "an appender failed"
    data = get(f"{B}/late")
    assert data.count(b"\n") == 120 and data.count(b"\0") == 0, "records overlap"
    sizes = sum(int(part) for part in open(f"{A}/sizes"))
    assert len(data) == sizes, f"{len(data)} bytes of {sizes}"


def two_append_and_read():
    """Who appends and who reads on one mount, through pages: the record is there when the append has returned."""
    put(f"{A}/tail", b"")
    reader = os.open(f"{A}/tail", os.O_RDONLY)
    writer = os.open(f"{A}/tail", os.O_WRONLY | os.O_APPEND)
    other = os.open(f"{B}/tail", os.O_WRONLY | os.O_APPEND)
    whole = b""
    for i in range(60):
        record = bytes([97 + i % 26]) * (i * 37 % 600 + 1)
        os.write(other if i % 3 == 0 else writer, record)
        whole += record
        if i % 3 != 0:
            assert os.pread(reader, len(whole) + 10, 0) == whole, f"append {i} is not seen"
    for fd in (reader, writer, other):
        os.close(fd)


def two_locks_carry_data():
    """A counter under a lock: whoever gets it sees what the one before wrote, without opening the file again."""
    for take in (lambda fd, how: fcntl.flock(fd, how), lambda fd, how: fcntl.lockf(fd, how)):
        put(f"{A}/counter", b"%08d" % 0)
        time.sleep(CACHE_S)
        children = []
        for mount in (A, B):
            pid = os.fork()
            if pid == 0:
                fd = os.open(f"{mount}/counter", os.O_RDWR)
                for _ in range(40):
                    take(fd, fcntl.LOCK_EX)
                    value = int(os.pread(fd, 8, 0))
                    os.pwrite(fd, b"%08d" % (value + 1), 0)
                    take(fd, fcntl.LOCK_UN)
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        assert int(get(f"{A}/counter")) == 80, f"the counter is {get(f'{A}/counter')}"


def two_locks_wait():
    """A blocking lock is woken when the other mount lets go; a signal ends the wait."""
    put(f"{A}/lock", b"")
    time.sleep(CACHE_S)
    for take in (fcntl.flock, fcntl.lockf):
        held, wanted = os.open(f"{A}/lock", os.O_RDWR), os.open(f"{B}/lock", os.O_RDWR)
        take(held, fcntl.LOCK_EX)
        try:
            take(wanted, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError("both have the lock")
        except BlockingIOError:
            pass

        def interrupt(number, frame):
            raise InterruptedError

        signal.signal(signal.SIGALRM, interrupt)
        signal.alarm(1)
        try:
            take(wanted, fcntl.LOCK_EX)
            raise AssertionError("both have the lock")
        except InterruptedError:
            pass
        pid = os.fork()
        if pid == 0:
            time.sleep(0.5)
            if take is fcntl.lockf:
                os._exit(0)  # a child has no POSIX locks
            os.close(held)
            os._exit(0)
        started = time.monotonic()
        if take is fcntl.lockf:
            os.waitpid(pid, 0)
            take(held, fcntl.LOCK_UN)
        else:
            os.close(held)  # the child has it, too: it goes with the last one
        take(wanted, fcntl.LOCK_EX)
        assert time.monotonic() - started < 20
        if take is fcntl.flock:
            os.waitpid(pid, 0)
        else:
            os.close(held)
        os.close(wanted)


def two_xattrs():
    """Capabilities and ACLs, which the kernel asks for by itself: one's own at once, another's after a second."""
    value = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service, permitted
    put(f"{A}/caps", b"x")
    for i in range(5):
        fd = os.open(f"{A}/caps{i}", os.O_CREAT | os.O_WRONLY)
        os.write(fd, b"x")
        os.setxattr(f"{A}/caps{i}", "security.capability", value)
        assert os.getxattr(f"{A}/caps{i}", "security.capability")[:4] == value[:4], "its own capability is not there"
        os.close(fd)
    fd = os.open(f"{B}/caps", os.O_RDWR)
    os.setxattr(f"{A}/caps", "security.capability", value)
    time.sleep(CACHE_S)
    assert os.getxattr(f"{B}/caps", "security.capability")[:4] == value[:4], "another's capability is never seen"
    os.write(fd, b"y")  # strips it
    os.close(fd)
    time.sleep(CACHE_S)
    for mount in (A, B):
        try:
            os.getxattr(f"{mount}/caps", "security.capability")
            raise AssertionError("a write did not strip the capability")
        except OSError as error:
            assert error.errno == 61, error


def two_open_unlinked():
    """What is open there and removed here lives until it is closed."""
    put(f"{A}/gone", b"still")
    time.sleep(CACHE_S)
    fd = os.open(f"{B}/gone", os.O_RDWR)
    assert os.pread(fd, 5, 0) == b"still"
    os.unlink(f"{B}/gone")
    time.sleep(CACHE_S)
    assert not os.path.exists(f"{A}/gone")
    assert os.pread(fd, 5, 0) == b"still"
    os.close(fd)


failed = 0
for name, test in sorted(globals().items()):
    if not name.startswith("two_"):
        continue
    began = time.monotonic()
    try:
        test()
        print(f"ok      {name} {time.monotonic() - began:.1f} s", flush=True)
    except Exception as error:  # every test runs
        failed += 1
        print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
sys.exit(failed > 0)
