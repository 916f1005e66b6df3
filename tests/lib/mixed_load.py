#!/usr/bin/env python3
"""A mixed load of a given size, of which nothing stays.

    mixed_load.py DIRECTORY STEPS SEED

WORKERS processes create, write, read, map, rename, link, truncate, list and remove files below DIRECTORY, STEPS times each.
Everything is removed at the end.
"""
import ctypes
import mmap
import os
import random
import shutil
import sys

WORKERS = 4
FILES = 200
SIZES = (0, 100, 4096, 16384, 70000, 300000, 1500000)
BYTES = os.urandom(1 << 21)
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
libc = ctypes.CDLL(None, use_errno=True)


def write(path, draw):
    size = draw.choice(SIZES)
    offset = draw.randrange(1 << 20)
    with open(path, "wb") as file:
        file.write(BYTES[offset : offset + size])
        if draw.random() < 0.3:
            os.fsync(file.fileno())


def append(path, draw):
    with open(path, "ab", buffering=0) as file:
        if file.tell() < 1 << 22:
            for _ in range(draw.randrange(1, 10)):
                file.write(BYTES[: draw.randrange(1, 20000)])


def read(path, draw):
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if draw.random() < 0.5:
            while file.read(1 << 17):
                pass
        elif size:
            os.pread(file.fileno(), 4096, draw.randrange(size))


def overwrite(path, draw):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    size = os.fstat(descriptor).st_size
    for _ in range(draw.randrange(1, 8)):
        os.pwrite(descriptor, BYTES[: draw.randrange(1, 8192)], draw.randrange(size + 1))
    os.close(descriptor)


def map_shared(path, draw):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 65536)
    with mmap.mmap(descriptor, 65536) as memory:
        memory[draw.randrange(60000)] = draw.randrange(256)
        memory.flush()
    os.close(descriptor)


def punch(path, draw):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    offset, size = draw.randrange(1 << 20), draw.randrange(1, 1 << 19)
    libc.fallocate(
        descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, ctypes.c_long(offset), ctypes.c_long(size)
    )
    os.close(descriptor)


def remove_open(path, draw):
    with open(path, "wb") as file:
        os.unlink(path)
        file.write(BYTES[: draw.randrange(1 << 17)])


def make_tree(path, draw):
    tree = path + ".tree"
    os.mkdir(tree)
    for number in range(draw.randrange(1, 20)):
        open(f"{tree}/{number}", "wb").close()
    os.symlink("0", tree + "/link")
    shutil.rmtree(tree)


STEPS = (
    (write, 20),
    (append, 10),
    (overwrite, 15),
    (read, 20),
    (map_shared, 2),
    (punch, 4),
    (remove_open, 4),
    (make_tree, 2),
    (lambda path, draw: os.unlink(path), 8),
    (lambda path, draw: os.truncate(path, draw.choice(SIZES)), 5),
    (lambda path, draw: os.replace(path, path + ".r") or os.replace(path + ".r", path), 5),
    (lambda path, draw: os.link(path, path + ".l") or os.unlink(path + ".l"), 3),
    (lambda path, draw: os.setxattr(path, "user.note", BYTES[: draw.randrange(2000)]), 3),
    (lambda path, draw: [entry.stat() for entry in os.scandir(os.path.dirname(path))], 1),
)


def work(directory, count, seed):
    draw = random.Random(seed)
    steps, weights = zip(*STEPS)
    os.mkdir(directory)
    for step in draw.choices(steps, weights, k=count):
        try:
            step(f"{directory}/{draw.randrange(FILES)}", draw)
        except FileNotFoundError:
            pass
    shutil.rmtree(directory)


def main():
    directory, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    workers = []
    os.mkdir(directory)
    for number in range(WORKERS):
        workers.append(os.fork())
        if workers[-1] == 0:
            work(f"{directory}/{number}", count, seed * WORKERS + number)
            os._exit(0)
    failed = [status for status in (os.waitpid(worker, 0)[1] for worker in workers) if status]
    os.rmdir(directory)
    sys.exit(bool(failed))


main()
