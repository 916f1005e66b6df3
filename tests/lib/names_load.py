#!/usr/bin/env python3
"""names_load.py DIRECTORY SEED END: renames, links, makes and removes names below DIRECTORY until the file END exists.

The names are few, so that the same ones are changed again and again, by every process that works there: what one finds
gone or there already, another has done. Then it prints how many changes it has made.
"""
import errno
import os
import random
import sys

DIRECTORIES = 8
NAMES = 6
EXPECTED = {errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.ESTALE,
            errno.EPERM}  # a directory has no second name


def change(draw, place):
    def name():
        return os.path.join(place, f"d{draw.randrange(DIRECTORIES)}", f"n{draw.randrange(NAMES)}")

    kind = draw.randrange(8)
    if kind < 3:
        os.rename(name(), name())
    elif kind == 3:
        os.link(name(), name())
    elif kind == 4:
        os.unlink(name())
    elif kind == 5:
        os.mkdir(name())
    elif kind == 6:
        os.rmdir(name())
    else:
        with open(name(), "x") as file:
            file.write("data")


def main():
    place, seed, end = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    draw, count = random.Random(seed), 0
    while not os.path.exists(end):
        try:
            change(draw, place)
            count += 1
        except OSError as error:
            if error.errno not in EXPECTED:
                raise
    print(count)


main()
