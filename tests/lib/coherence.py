"""Two mounts of one filesystem, A and B: what one does and the other must see.

    coherence.py A B [ROUNDS [PREFIX]]

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

from patience import until
from two_mounts import get, put, run

A, B = sys.argv[1], sys.argv[2]
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 150
PAGE = 4096
CACHE_S = 1.2  # the kernel asks for names and attributes again after one second


def two_close_to_open():
    """What was written and closed there is read by whoever opens it here afterwards, though here are pages of it."""
    put(f"{A}/close", b"")
    time.sleep(CACHE_S)  # the name
    get(f"{B}/close")
    for rounds in range(ROUNDS):
        source, target = (A, B) if rounds % 2 else (B, A)
        data = bytes([rounds % 256]) * random.choice([1, 100, PAGE, 5 * PAGE + 7, 100000])
        put(f"{source}/close", data, 0 if rounds % 3 else os.O_TRUNC)
        with open(f"{target}/close", "rb") as file:
            seen = file.read(len(data))
        assert seen == data, f"round {rounds}: old data"


def stat_it(path):
    os.stat(path)


def list_it(path):
    list(os.scandir(os.path.dirname(path)))
    subprocess.run(["ls", "-l", os.path.dirname(path)], check=True, stdout=subprocess.DEVNULL)


def open_it(path):
    get(path)


def read_by_fstat(fd):
    return os.pread(fd, os.fstat(fd).st_size, 0)


def read_to_the_end(fd):
    whole = b""
    while part := os.read(fd, 1 << 20):
        whole += part
    return whole


def read_by_seek(fd):
    return os.pread(fd, os.lseek(fd, 0, os.SEEK_END), 0)


def read_mapped(fd):
    if os.fstat(fd).st_size == 0:
        return b""
    with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as view:
        return bytes(view)


def read_directly(fd):
    buffer, whole = mmap.mmap(-1, 1 << 20), b""
    while count := os.preadv(fd, [buffer], len(whole)):
        whole += buffer[:count]
        if count % PAGE:
            break
    return whole


def copy_it(path, target):
    subprocess.run(["cp", path, target], check=True)
    return get(target)


def two_sizes():
    """However the size became known here before, an open sees the new one, longer or shorter, and all of the data."""
    sizes = [10, 7000, 3, 70000, 100, 300000, 20]
    readers = [(read_by_fstat, 0), (read_to_the_end, 0), (read_by_seek, 0), (read_mapped, 0),
               (read_directly, os.O_DIRECT)]
    for number, (read, flags) in enumerate(readers):
        for before in (None, stat_it, list_it, open_it):
            directory = f"sizes{number}{before.__name__ if before else ''}"
            os.mkdir(f"{A}/{directory}")
            for first in range(4):  # of each file; the last one is opened again and again
                path = f"{directory}/{first}"
                put(f"{A}/{path}", b"first")
                for i, size in enumerate(sizes if first == 3 else sizes[:1 + first % 2]):
                    if before:
                        before(f"{B}/{path}")
                    data = bytes([65 + i]) * size
                    put(f"{A}/{path}", data)
                    fd = os.open(f"{B}/{path}", os.O_RDONLY | flags)
                    seen = read(fd)
                    os.close(fd)
                    assert seen == data, f"{read.__name__} after {directory}: {len(seen)} bytes of {size}"


def two_copies():
    """cp(1) of a file that has grown or shrunk there since it was looked at here."""
    put(f"{A}/copied", b"")
    for i in range(10):
        os.stat(f"{B}/copied")
        data = bytes([65 + i]) * random.choice([1, 5000, 60000, 200000])
        put(f"{A}/copied", data)
        assert copy_it(f"{B}/copied", f"{B}/copy") == data, f"copy {i} is not the file"


def two_replaced():
    """What was renamed over a name, or made in place of what was renamed away, is what the name opens there at once,
    whether the old file has another name, is open, or is gone."""

    def over(path):
        os.rename(f"{path}.new", path)

    def keep_linked(path):
        os.link(path, f"{path}.linked")
        os.rename(f"{path}.new", path)
        os.unlink(f"{path}.linked.old") if os.path.exists(f"{path}.linked.old") else None
        os.rename(f"{path}.linked", f"{path}.linked.old")

    def keep_renamed(path):
        os.rename(path, f"{path}.backup")
        os.rename(f"{path}.new", path)

    def remove(path):
        os.unlink(path)
        os.rename(f"{path}.new", path)

    for replace in (over, keep_linked, keep_renamed, remove):
        for keep_open in (False, True):
            path, held = f"replaced{replace.__name__}{keep_open}", []
            put(f"{A}/{path}", b"0")
            for i in range(1, 12):
                seen = get(f"{B}/{path}")
                assert seen == b"%d" % (i - 1), f"{path}: {seen}"
                if keep_open:
                    held.append(os.open(f"{B}/{path}", os.O_RDONLY))
                put(f"{A}/{path}.new", b"%d" % i)
                replace(f"{A}/{path}")
                if replace is keep_renamed:
                    list_it(f"{B}/{path}")
                    os.stat(f"{B}/{path}.backup")
                if keep_open and replace is not over:
                    assert os.fstat(held[-1]).st_size == len(b"%d" % (i - 1))
                fd = os.open(f"{B}/{path}", os.O_RDWR if i % 2 else os.O_RDONLY)
                assert os.read(fd, 10) == b"%d" % i, f"round {i}: {path} is still the old file"
                os.close(fd)
            for fd in held:
                os.close(fd)


def two_busy_opens():
    """Opens of a file that changes or is replaced all the time there succeed; so does opening again what is open here.

    The kernel looks again once for each open: the file is replaced once while two opens of it end."""
    put(f"{A}/busy", b"0")
    put(f"{A}/churned", b"0")
    opens = mmap.mmap(-1, PAGE)
    pid = os.fork()
    if pid == 0:
        for _ in range(ROUNDS):
            put(f"{A}/busy", b"x", os.O_APPEND)
            put(f"{A}/churned.new", b"1")
            before = int.from_bytes(opens[:4], "little")
            os.rename(f"{A}/churned.new", f"{A}/churned")
            until(30, lambda: int.from_bytes(opens[:4], "little") - before >= 3, "nobody opens it")
        os._exit(0)
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        fd = os.open(f"{B}/busy", os.O_RDWR)
        os.stat(f"{B}/busy")
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY))
        os.close(fd)
        os.close(os.open(f"{B}/churned", os.O_RDONLY))
        opens[:4] = (int.from_bytes(opens[:4], "little") + 1).to_bytes(4, "little")


def two_stat_then_read():
    """A reader that keeps the file open: once stat shows the new size, the bytes behind it are there, too."""
    put(f"{A}/grow", b"x" * 10)
    fd = os.open(f"{B}/grow", os.O_RDONLY)
    assert os.pread(fd, 100, 0) == b"x" * 10
    size = 10
    for round_ in range(30):
        put(f"{A}/grow", b"x" * (size + 7))
        size += 7
        until(30, lambda: os.fstat(fd).st_size == size, "the new size is never seen")
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
    until(30, lambda: os.stat(f"{B}/map") and view[:4] == b"new!", "a mapping never sees the change")
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


def two_locks_and_the_end():
    """Lock, seek to the end, write: no record lands on another's, though its length was known before."""
    for take in (fcntl.flock, fcntl.lockf):
        for mode in (os.O_RDWR, os.O_WRONLY):
            put(f"{A}/records", b"")
            fds = [os.open(f"{mount}/records", mode) for mount in (A, B, A, B)]
            for i in range(40):
                for fd in fds:
                    os.fstat(fd)
                fd = fds[i % 4]
                take(fd, fcntl.LOCK_EX)
                os.lseek(fd, 0, os.SEEK_END)
                os.write(fd, b"%d" % i + b"." * random.choice([20, 3000]) + b"\n")
                take(fd, fcntl.LOCK_UN)
            for fd in fds:
                os.close(fd)
            numbers = [int(line.split(b".")[0]) for line in get(f"{B}/records").splitlines()]
            assert numbers == list(range(40)), f"{take.__name__}, {mode}: {numbers}"


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
        try:
            signal.setitimer(signal.ITIMER_REAL, 1, 1)  # again: the call may not have begun at the first
            try:
                take(wanted, fcntl.LOCK_EX)
                raise AssertionError("both have the lock")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except InterruptedError:
            pass
        pid = os.fork()
        if pid == 0:
            time.sleep(0.5)
            if take is fcntl.lockf:
                os._exit(0)  # a child has no POSIX locks
            os.close(held)
            os._exit(0)
        if take is fcntl.lockf:
            os.waitpid(pid, 0)
            take(held, fcntl.LOCK_UN)
        else:
            os.close(held)  # the child has it, too: it goes with the last one
        take(wanted, fcntl.LOCK_EX)
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


def two_suid():
    """A program that somebody wrote to there gives no privileges here, though it has just been run."""
    user = {"user": 1001, "group": 1001, "extra_groups": []}
    for i in range(5):
        put(f"{A}/suid{i}", get("/usr/bin/id"))
        os.chmod(f"{A}/suid{i}", 0o4777)
        for mount, uid in ((A, b"0"), (B, b"0"), (B, b"1001"), (A, b"1001")):
            if uid != b"0" and mount == B:
                write = ["dd", "if=/usr/bin/id", f"of={A}/suid{i}", "bs=4096", "count=1", "conv=notrunc"]
                subprocess.run(write, check=True, stderr=subprocess.DEVNULL, **user)
            seen = subprocess.run([f"{mount}/suid{i}", "-u"], check=True, stdout=subprocess.PIPE, **user).stdout
            assert seen.strip() == uid, f"round {i}: run as {seen}"


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


PREFIX = sys.argv[4] if len(sys.argv) > 4 else "two_"
run(globals(), lambda name: name.startswith(PREFIX))
