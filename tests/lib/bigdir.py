"""Fills a directory from several processes and lists it while others create, remove and rename in it.

    bigdir.py DIRECTORY ENTRIES
"""

import collections
import multiprocessing
import os
import sys
import time

FILLERS = 16


def fill(path, first, last):
    directory = os.open(path, os.O_RDONLY)
    for number in range(first, last):
        os.mknod(f"stays{number}", 0o100644, dir_fd=directory)


def change(path, stop):
    directory = os.open(path, os.O_RDONLY)
    number = 0
    while not stop.is_set():
        os.mknod(f"comes{number}", 0o100644, dir_fd=directory)
        os.rename(f"comes{number}", f"moves{number}", src_dir_fd=directory, dst_dir_fd=directory)
        if number % 2:
            os.unlink(f"moves{number}", dir_fd=directory)
        number += 1
    print(f"{number} created, renamed and in part removed meanwhile")


def check(path, entries):
    begin = time.monotonic()
    seen = collections.Counter(entry.name for entry in os.scandir(path))
    wrong = [f"{name} {seen[name]} times" for number in range(entries) if seen[name := f"stays{number}"] != 1]
    twice = [name for name, count in seen.items() if count > 1]
    if wrong or twice:
        print(f"{len(seen)} entries listed in {time.monotonic() - begin:.1f} s")
        print("listed wrongly:", wrong[:10], twice[:10])
    return not wrong and not twice


def main():
    path, entries = sys.argv[1], int(sys.argv[2])
    os.mkdir(path)
    begin = time.monotonic()
    step = -(-entries // FILLERS)
    fillers = [multiprocessing.Process(target=fill, args=(path, first, min(first + step, entries)))
               for first in range(0, entries, step)]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
    print(f"{entries} entries made in {time.monotonic() - begin:.1f} s")
    stop = multiprocessing.Event()
    changer = multiprocessing.Process(target=change, args=(path, stop))
    changer.start()
    end, right = time.monotonic() + 4, True
    while right and time.monotonic() < end:
        right = check(path, entries)
    stop.set()
    changer.join()
    sys.exit(not right or changer.exitcode != 0 or any(filler.exitcode for filler in fillers))


main()
