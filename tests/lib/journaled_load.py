"""A load whose acknowledged operations are known, and the check of what is left of it after a crash.

    journaled_load.py run DIRECTORY JOURNAL SEED     until the filesystem goes away
    journaled_load.py check DIRECTORY JOURNAL

The journal has a line '["operation", arguments…]' before each operation and 'done' when it was acknowledged. The last
operation, if it was not acknowledged, may have happened or not, but not in part.
"""

import errno
import json
import os
import random
import sys

GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO)


def content_of(name, size):
    return (name.encode() + b".") * (size // (len(name) + 1) + 1)


class Model:
    """What must be there: names with their contents; hard links share a list."""

    def __init__(self):
        self.files = {}
        self.directories = set()

    def apply(self, operation, *arguments):
        getattr(self, operation)(*arguments)

    def create(self, name):
        self.files[name] = [b""]

    def mkdir(self, name):
        self.directories.add(name)

    def rename(self, old, new):
        self.files[new] = self.files.pop(old)

    def link(self, old, new):
        self.files[new] = self.files[old]

    def unlink(self, name):
        del self.files[name]

    def write(self, name, size):
        self.files[name] = [content_of(name, size)]

    def append(self, name, line):
        self.files.setdefault(name, [b""])[0] += line.encode()


def perform(directory, operation, *arguments):
    """The operation below the directory's descriptor; returns when it is acknowledged to be durable."""
    if operation == "create":
        os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=directory))
    elif operation == "mkdir":
        os.mkdir(arguments[0], dir_fd=directory)
    elif operation in ("rename", "link"):
        getattr(os, operation)(arguments[0], arguments[1], src_dir_fd=directory, dst_dir_fd=directory)
    elif operation == "unlink":
        os.unlink(arguments[0], dir_fd=directory)
    else:
        flags = os.O_CREAT | os.O_WRONLY | (os.O_APPEND if operation == "append" else os.O_EXCL)
        data = arguments[1].encode() if operation == "append" else content_of(arguments[0], arguments[1])
        fd = os.open(arguments[0], flags, 0o644, dir_fd=directory)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.EIO, "short write")
            os.fsync(fd)
        finally:
            os.close(fd)


def choose(model, number, rng):
    name = f"n{number}"
    plain = [file for file in model.files if file.startswith("n")]
    kind = rng.choice(["create", "mkdir", "write", "write", "append", "append", "rename", "rename", "link", "unlink"])
    if kind in ("rename", "link", "unlink") and not plain:
        kind = "create"
    if kind in ("rename", "link"):
        return kind, rng.choice(plain), name
    if kind == "unlink":
        return kind, rng.choice(plain)
    if kind == "write":
        return kind, name, rng.randrange(1, 100000)
    if kind == "append":
        return kind, "log", f"line {number}\n"
    return kind, name if kind == "create" else f"d{number}"


def run(path, journal, seed):
    rng, model = random.Random(seed), Model()
    os.mkdir(path)
    directory = os.open(path, os.O_RDONLY)  # stays on the filesystem when that is unmounted lazily
    with open(journal, "w", buffering=1) as log:
        try:
            log.write("begun\n")
            for number in range(1000000):
                operation = choose(model, number, rng)
                log.write(json.dumps(operation) + "\n")
                perform(directory, *operation)
                log.write("done\n")
                model.apply(*operation)
        except OSError as error:
            if error.errno not in GONE:
                raise


def differences(directory, model):
    found = set(os.listdir(directory))
    expected = set(model.files) | model.directories
    for name in sorted(expected - found):
        yield f"{name} is lost"
    for name in sorted(found - expected):
        yield f"{name} should not be there"
    groups = {}
    for name in sorted(set(model.files) & found):
        with open(os.path.join(directory, name), "rb") as file:
            content = file.read()
            groups.setdefault(os.fstat(file.fileno()).st_ino, []).append(name)
        if content != model.files[name][0]:
            yield f"{name} has {len(content)} bytes, not the {len(model.files[name][0])} that were acknowledged"
    for names in groups.values():
        if os.stat(os.path.join(directory, names[0])).st_nlink != len(names):
            yield f"{names[0]} has a wrong link count"


def check(directory, journal):
    lines = open(journal).read().splitlines()
    if not lines:
        return
    operations = [json.loads(line) for line in lines[1:] if line != "done"]
    acknowledged = lines.count("done")
    without, with_last = Model(), Model()
    for operation in operations[:acknowledged]:
        without.apply(*operation)
        with_last.apply(*operation)
    for operation in operations[acknowledged:]:
        with_last.apply(*operation)
    wrong = list(differences(directory, without))
    if wrong and operations[acknowledged:]:
        again = list(differences(directory, with_last))
        last = operations[-1]
        if last[0] in ("write", "append") and again and set(again) <= set(partial(directory, with_last, last[1])):
            again = []
        wrong = wrong if again else []
    if wrong:
        sys.exit(f"{directory}, {acknowledged} operations acknowledged, {len(operations)} asked for: " + "; ".join(wrong[:10]))


def partial(directory, model, name):
    """An unacknowledged write is several system calls: the file may be there with a beginning of the data."""
    with open(os.path.join(directory, name), "rb") as file:
        content = file.read()
    if model.files[name][0].startswith(content):
        yield f"{name} has {len(content)} bytes, not the {len(model.files[name][0])} that were acknowledged"


if sys.argv[1] == "run":
    run(sys.argv[2], sys.argv[3], sys.argv[4])
else:
    check(sys.argv[2], sys.argv[3])
