#!/usr/bin/env python3
"""A tree of a given size, every name and byte of which follows from the arguments, so that it can be verified.

    tree.py write DIRECTORIES FILES BYTES WORKERS REPORT MOUNT...   makes it, by several processes over all mounts
    tree.py verify DIRECTORIES FILES BYTES WORKERS REPORT MOUNT...  compares every name and every byte
    tree.py change STOP REPORT MOUNT...      works on a tree of its own until the file STOP exists, then verifies that

Directory d is made in one of TOPS directories; one in DIRECTORY_MOVES of them is then renamed into another one. A directory
has FILES/DIRECTORIES files; one file in FILE_MOVES is renamed into a directory that was made before, one in SYNCS is synced.
Most files are small, a tenth is ten times as large; BYTES is what all of them have together, nearly.

An operation that fails is counted and told; REPORT, a JSON file, has the counts. Exit status 1: one has failed, or something
is not what was written.
"""
import json
import multiprocessing
import os
import random
import sys
import time

DIRECTORY_MOVES, FILE_MOVES, SYNCS = 50, 10, 20
TOPS_MAX = 250
FAILURES_TOLD = 20
BASE = random.Random(1).randbytes(1 << 20)
PERIOD_S = 0.05  # between two changes
CHANGED = 40  # names that they are on


def draw(*numbers):
    """A number that follows from the numbers (splitmix64)."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = (state ^ number) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state


def content(number, size):
    start = draw(number, 7) % (len(BASE) // 2)
    return (b"%d %d\n" % (number, size) + BASE[start : start + size])[:size]


class Tree:
    def __init__(self, directories, files, size, workers):
        self.directories, self.workers = directories, workers
        self.each = max(files // directories, 1)
        self.files = self.each * directories
        self.mean = size // self.files
        self.tops = min(max(directories // 20, 2), TOPS_MAX)

    def first_top(self, directory):
        return directory % self.tops

    def top(self, directory):
        first = self.first_top(directory)
        return (first + 1 if directory % DIRECTORY_MOVES == 7 else first) % self.tops

    def path(self, directory):
        return f"t{self.top(directory)}/d{directory}"

    def home(self, number):
        """The directory that the file is in at the end: its first one, or an earlier one of the same worker."""
        directory = number // self.each
        if draw(number, 3) % FILE_MOVES:
            return directory
        return directory - self.workers * (draw(number, 4) % (directory // self.workers + 1))

    def size(self, number):
        most = self.mean * (10 if draw(number, 5) % 10 == 0 else 10 / 9)
        return min(int(most * (draw(number, 6) % 1000) / 999), len(BASE) // 2)

    def numbers(self, directory):
        return range(directory * self.each, (directory + 1) * self.each)


class Work:
    """Counts operations, and those that failed."""

    def __init__(self):
        self.counts = {"operations": 0, "failed": 0, "bytes": 0, "slowest_ms": 0}
        self.failures = []

    def fail(self, text):
        self.counts["failed"] += 1
        if len(self.failures) < FAILURES_TOLD:
            self.failures.append(text)
            print("FAILED:", text, flush=True)

    def do(self, operation, *arguments):
        self.counts["operations"] += 1
        begin = time.monotonic()
        try:
            return operation(*arguments)
        except OSError as error:
            self.fail(f"{operation.__name__} {arguments[0]}: {error}")
        finally:
            took = int((time.monotonic() - begin) * 1000)
            self.counts["slowest_ms"] = max(self.counts["slowest_ms"], took)
        return None


def write_file(path, data, is_synced):
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        if is_synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path):
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def make_directory(path):
    os.makedirs(path, exist_ok=True)


# ---- The tree ----


def write_directory(tree, work, root, directory):
    first = f"{root}/t{tree.first_top(directory)}/d{directory}"
    path = f"{root}/{tree.path(directory)}"
    work.do(os.mkdir, first)
    for number in tree.numbers(directory):
        data = content(number, tree.size(number))
        work.do(write_file, f"{first}/f{number}", data, draw(number, 8) % SYNCS == 0)
        work.counts["bytes"] += len(data)
    if first != path:
        work.do(os.rename, first, path)
    for number in tree.numbers(directory):
        if (home := tree.home(number)) != directory:
            work.do(os.rename, f"{path}/f{number}", f"{root}/{tree.path(home)}/f{number}")


def verify_directory(tree, work, root, directory, wanted):
    path = f"{root}/{tree.path(directory)}"
    names = work.do(os.listdir, path)
    if names is not None and sorted(names) != sorted(f"f{number}" for number in wanted):
        work.fail(f"{path}: the names {sorted(set(names) ^ {f'f{number}' for number in wanted})[:5]} are wrong")
    for number in wanted:
        data = work.do(read_file, f"{path}/f{number}")
        if data is not None and data != content(number, tree.size(number)):
            work.fail(f"{path}/f{number}: its bytes are not those that were written")
        work.counts["bytes"] += len(data or b"")


def homes(tree, worker):
    """The files of each directory of this worker, as they are at the end."""
    wanted = {directory: [] for directory in range(worker, tree.directories, tree.workers)}
    for directory in list(wanted):
        for number in tree.numbers(directory):
            wanted[tree.home(number)].append(number)
    return wanted


def run_worker(what, tree, worker, roots, queue):
    work = Work()
    root = roots[worker % len(roots)]
    if what == "write":
        for directory in range(worker, tree.directories, tree.workers):
            write_directory(tree, work, root, directory)
    else:  # through another mount than it was written, if there are two
        root = roots[(worker + 1) % len(roots)]
        for directory, wanted in homes(tree, worker).items():
            verify_directory(tree, work, root, directory, wanted)
    queue.put(work.counts)


def run(what, tree, roots):
    work = Work()
    queue = multiprocessing.Queue()
    if what == "write":
        for top in range(tree.tops):
            work.do(make_directory, f"{roots[0]}/t{top}")
    workers = [
        multiprocessing.Process(target=run_worker, args=(what, tree, worker, roots, queue))
        for worker in range(tree.workers)
    ]
    for worker in workers:
        worker.start()
    total = work.counts
    for worker in workers:
        counts = queue.get()
        for name in ("operations", "failed", "bytes"):
            total[name] += counts[name]
        total["slowest_ms"] = max(total["slowest_ms"], counts["slowest_ms"])
    for worker in workers:
        worker.join()
    return total | {"directories": tree.directories + tree.tops, "files": tree.files}


# ---- Changes beside what happens to the stores ----


def change_one(work, root, number, path):
    """Makes, replaces, moves and reads one file; returns where it is."""
    data = content(number, draw(number, 9) % 100000)
    directory = f"{root}/changes/c{number % 7}"
    new, final = f"{directory}/new{number}", f"{root}/changes/c{number % 11}/f{number % CHANGED}"
    work.do(write_file, new, data, number % 3 == 0)
    work.do(os.rename, new, final)
    if work.do(read_file, final) != data:
        work.fail(f"{final}: its bytes are not those that were written")
    if path and path != final:
        work.do(os.unlink, path)
    return final


def change(stop, roots):
    work, files, number = Work(), {}, 0
    for directory in range(11):
        work.do(make_directory, f"{roots[0]}/changes/c{directory}")
    while not os.path.exists(stop):
        name = number % CHANGED
        root = roots[number % len(roots)]
        path = change_one(work, root, number, files[name][0].replace("\0", root) if name in files else None)
        files[name] = (path.replace(root, "\0"), number)
        number += 1
        time.sleep(PERIOD_S)
    for path, number in files.values():
        path = path.replace("\0", roots[0])
        if work.do(read_file, path) != content(number, draw(number, 9) % 100000):
            work.fail(f"{path}: its bytes are not those that were written")
    return work.counts


def main(arguments):
    what = arguments[0]
    if what == "change":
        report, counts = arguments[2], change(arguments[1], arguments[3:])
    else:
        tree = Tree(*(int(argument) for argument in arguments[1:5]))
        begin = time.monotonic()
        report, counts = arguments[5], run(what, tree, arguments[6:])
        counts["seconds"] = round(time.monotonic() - begin, 1)
    with open(report, "w", encoding="ascii") as file:
        json.dump(counts, file)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
