"""Two mounts of one filesystem, A and B: what one removes or replaces while the other uses it, or remembers its name.

    removals.py A B [TEST…]

Each function that begins with `two_` is a test. None waits for a time: an inode that nobody has open goes some time after its
last name, and when one is gone, those that were removed before it have been asked about, too.
"""
import errno
import mmap
import os
import shutil
import subprocess
import sys

from patience import until
from two_mounts import get, put, run

A, B = sys.argv[1], sys.argv[2]
MIB = 1 << 20
LOOPS = 120


def is_gone(fd):
    """Of an O_PATH descriptor, which does not count as open: what has no name is shown to who asks again."""
    for _ in range(2):
        try:
            os.fstat(fd)
            return False
        except OSError as error:
            assert error.errno == errno.ESTALE, error
    return True


def await_gone(fd):
    until(90, lambda: is_gone(fd), "what nobody has open is still there")
    os.close(fd)


def let_grace_end():
    put(f"{A}/sentinel", b"")
    fd = os.open(f"{B}/sentinel", os.O_PATH)
    os.unlink(f"{A}/sentinel")
    await_gone(fd)


def replace(directory, name, data):
    put(f"{directory}/{name}.new", data)
    os.rename(f"{directory}/{name}.new", f"{directory}/{name}")


def read_anew(fd, size, offset):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(fd, size, offset)


def two_open_and_removed():
    """Removed, and replaced, there: here it is read, written and mapped until it is closed; then it is gone."""
    opened = []
    for i in range(4):
        put(f"{A}/open{i}", b"old!" * 5000)
        fd = os.open(f"{B}/open{i}", os.O_RDWR)
        opened.append((fd, mmap.mmap(fd, 0)))
    os.mkdir(f"{A}/opendir")
    directory = os.open(f"{B}/opendir", os.O_RDONLY)
    put(f"{A}/closed", os.urandom(MIB))
    closed = os.open(f"{B}/closed", os.O_RDONLY)
    path = os.open(f"{B}/closed", os.O_PATH)
    program = f"{A}/program"
    shutil.copy(sys.executable, program)
    os.chmod(program, 0o755)
    wait = "import sys; print(1, flush=True); sys.stdin.read(1); import json, hashlib; print(json.dumps([2]))"
    running = subprocess.Popen([f"{B}/program", "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"1\n"
    for i in range(4):
        os.unlink(f"{A}/open{i}") if i % 2 else replace(A, f"open{i}", b"new")
    os.rmdir(f"{A}/opendir")
    os.unlink(f"{A}/closed")
    replace(A, "program", b"not a program")
    let_grace_end()
    for i, (fd, view) in enumerate(opened):
        assert read_anew(fd, 4, 4096) == b"old!", "what was removed elsewhere cannot be read"
        assert os.fstat(fd).st_nlink == 0
        os.pwrite(fd, b"mine", 8192)
        os.fsync(fd)
        assert read_anew(fd, 4, 8192) == b"mine" == view[8192:8196]
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        assert os.pread(again, 4, 8192) == b"mine"
        os.close(again)
        view.close()
        os.close(fd)
        assert i % 2 or get(f"{B}/open{i}") == b"new"
    assert os.listdir(directory) == [] and os.fstat(directory).st_nlink == 0
    expect(errno.ENOENT, os.mkdir, "s", dir_fd=directory)
    os.close(directory)
    assert running.communicate(b"x")[0] == b"[2]\n" and running.returncode == 0, "the program did not run on"
    assert len(read_anew(closed, MIB, 0)) == MIB
    assert not is_gone(path)
    os.close(closed)
    await_gone(path)


def expect(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OSError as found:
        assert found.errno == error, f"{call.__name__}: {found}"
        return
    raise AssertionError(f"{call.__name__} does not fail")


def two_created_again():
    """O_CREAT of a name that was removed or replaced there makes, or opens, what is here now."""
    for i in range(10):
        held = []
        if i % 2:
            put(f"{A}/again", b"older")
            held = [os.open(f"{mount}/again", os.O_RDONLY) for mount in (A, B)]
        put(f"{A}/again", b"old")
        os.unlink(f"{B}/again")
        put(f"{A}/again", b"new")
        assert get(f"{B}/again") == b"new"
        replace(B, "again", b"newer\n")
        put(f"{A}/again", b"record\n", os.O_APPEND)
        assert get(f"{B}/again") == b"newer\nrecord\n"
        replace(B, "again", b"newest")
        os.chmod(f"{A}/again", 0o600 + i)
        assert os.stat(f"{B}/again").st_mode & 0o777 == 0o600 + i
        replace(B, "again", b"newest")
        os.truncate(f"{A}/again", 3)
        assert get(f"{B}/again") == b"new"
        for fd in held:
            os.close(fd)


def two_directories_again():
    """Names are made in, taken from and listed of the directory that is there now."""
    put(f"{A}/other", b"")
    os.link(f"{A}/other", f"{A}/other2")
    into = [
        lambda name: os.mkdir(name),
        lambda name: put(name, b"1"),
        lambda name: os.symlink("x", name),
        lambda name: os.mkfifo(name),
        lambda name: os.link(f"{A}/other", name),
        lambda name: os.rename(f"{A}/other2", name),
    ]
    for make in into:
        os.mkdir(f"{A}/d")
        os.rmdir(f"{B}/d")
        os.mkdir(f"{B}/d")
        make(f"{A}/d/s")
        assert os.listdir(f"{B}/d") == ["s"]
        shutil.rmtree(f"{B}/d")
    out = [
        lambda name: os.unlink(name),
        lambda name: os.rename(name, f"{A}/moved"),
    ]
    for take in out:
        os.mkdir(f"{A}/d")
        put(f"{A}/d/s", b"")
        shutil.rmtree(f"{B}/d")
        os.mkdir(f"{B}/d")
        put(f"{B}/d/s", b"")
        take(f"{A}/d/s")
        assert os.listdir(f"{B}/d") == []
        os.rmdir(f"{B}/d")
    for i in range(12):
        os.mkdir(f"{A}/d")
        assert os.listdir(f"{A}/d") == []
        os.rmdir(f"{B}/d")
        os.mkdir(f"{B}/d")
        put(f"{B}/d/s", b"")
        assert os.listdir(f"{A}/d") == ["s"]
        shutil.rmtree(f"{B}/d")
        expect(errno.ENOENT, os.listdir, f"{A}/d")


def two_working_directory():
    """Removed there, under the feet of who is in it here."""
    calls = [
        lambda: os.mkdir("s"),
        lambda: os.stat("s"),
        lambda: put("s", b""),
        lambda: os.rename("s", "t"),
        lambda: os.stat("."),
    ]
    for first in range(len(calls)):
        os.mkdir(f"{A}/place")
        pid = os.fork()
        if pid == 0:
            os.chdir(f"{A}/place")
            os.rmdir(f"{B}/place")
            for i in range(2 * len(calls)):
                if calls[(first + i) % len(calls)] != calls[-1]:
                    expect(errno.ENOENT, calls[(first + i) % len(calls)])
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0


# ---- Names that churn: whatever may come of a race, ESTALE is never it ----


def race(what):
    children = []
    for who, mount in enumerate([A, B, A, B]):
        pid = os.fork()
        if pid == 0:
            stale = 0
            for i in range(LOOPS):
                try:
                    what(mount, who, i)
                except OSError as error:
                    if error.errno == errno.ESTALE:
                        stale += 1
                    elif error.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY):
                        raise
            os._exit(min(stale, 99))
        children.append(pid)
    stale = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    assert stale == [0, 0, 0, 0], f"ESTALE, so often: {stale}"


def two_savers():
    put(f"{A}/saved", b"")

    def save(mount, who, i):
        put(f"{mount}/saved.{who}", b"%d" % i)
        os.rename(f"{mount}/saved.{who}", f"{mount}/saved")
        assert get(f"{mount}/saved") is not None
        os.stat(f"{mount}/saved")

    race(save)


def two_savers_by_one_name():
    def save(mount, who, i):
        put(f"{mount}/both.new", b"%d" % i)
        os.rename(f"{mount}/both.new", f"{mount}/both")

    race(save)


def two_makers_of_directories():
    def make(mount, who, i):
        if i % 2:
            os.makedirs(f"{mount}/p/q/r", exist_ok=True)
            return
        for name in ("p/q/r", "p/q", "p"):
            os.rmdir(f"{mount}/{name}")

    race(make)


def two_makers_of_files():
    def make(mount, who, i):
        if (i + who) % 2:
            put(f"{mount}/made", b"x", os.O_CREAT)
        else:
            os.unlink(f"{mount}/made")

    race(make)


if __name__ == "__main__":
    run(globals(), lambda name: name.startswith("two_") and name in (sys.argv[3:] or [name]))
