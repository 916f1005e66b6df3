"""What the tests with two mounts share: files at once, and every test of a module run, whatever the others say."""
import os
import sys
import time


def put(path, data, flags=os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    assert os.write(fd, data) == len(data)
    os.close(fd)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def run(functions, wanted):
    """Runs those functions, by name, that `wanted` says yes to; exits with 1 if one has failed."""
    failed = 0
    for name, test in sorted(functions.items()):
        if not wanted(name):
            continue
        began = time.monotonic()
        try:
            test()
            print(f"ok      {name} {time.monotonic() - began:.1f} s", flush=True)
        except Exception as error:  # every test runs
            failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}", flush=True)
    sys.exit(failed > 0)
