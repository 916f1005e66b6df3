"""Fills a directory from several processes and lists it while others create, remove and rename in it.

    bigdir.py DIRECTORY ENTRIES
"""

import collections
import multiprocessing
import os
import sys

FILLERS = 16
LISTS, CHANGES = 10, 500  # at least


def fill(path, first, last):
    directory = os.open(path, os.O_RDONLY)
    for number in range(first, last):
        os.mknod(f"stays{number}", 0o100644, dir_fd=directory)


def change(path, changes, stop):
    directory = os.open(path, os.O_RDONLY)
    number = 0
    while not stop.is_set():
        changes.value = number
        os.mknod(f"comes{number}", 0o100644, dir_fd=directory)
        os.rename(f"comes{number}", f"moves{number}", src_dir_fd=directory, dst_dir_fd=directory)
        if number % 2:
            os.unlink(f"moves{number}", dir_fd=directory)
        number += 1
    print(f"{number} created, renamed and in part removed meanwhile")


def check(path, entries):
    seen = collections.Counter(entry.name for entry in os.scandir(path))
    wrong = [f"{name} {seen[name]} times" for number in range(entries) if seen[name := f"stays{number}"] != 1]
    twice = [name for name, count in seen.items() if count > 1]
    if wrong or twice:
        print(f"{len(seen)} entries listed")
        print("listed wrongly:", wrong[:10], twice[:10])
    return not wrong and not twice


def main():
    path, entries = sys.argv[1], int(sys.argv[2])
    os.mkdir(path)
    step = -(-entries // FILLERS)
    fillers = [multiprocessing.Process(target=fill, args=(path, first, min(first + step, entries)))
               for first in range(0, entries, step)]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
    stop, changes = multiprocessing.Event(), multiprocessing.Value("L", 0)
    changer = multiprocessing.Process(target=change, args=(path, changes, stop))
    changer.start()
    lists, right = 0, True
    while right and changer.is_alive() and (lists < LISTS or changes.value < CHANGES):
        right = check(path, entries)
        lists += 1
    print(f"{entries} entries listed {lists} times")
    stop.set()
    changer.join()
    sys.exit(not right or changer.exitcode != 0 or any(filler.exitcode for filler in fillers))


main()
