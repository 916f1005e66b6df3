"""A program with data that is acknowledged and not written out.

    dirty.py FILE NOTE GO [sync]

Makes FILE and NOTE.ready, waits for GO, writes, makes NOTE.written, and sleeps with the file open. With `sync` it calls fsync
instead, handles SIGINT, as servers do, and exits with 0 if that gets it out, else with 1.
"""
import os
import signal
import sys
import time

path, note, go = sys.argv[1:4]


def on_signal(*_):
    raise KeyboardInterrupt


def say(what):
    open(f"{note}.{what}", "w").close()


signal.signal(signal.SIGINT, on_signal)
fd = os.open(path, os.O_CREAT | os.O_WRONLY)
os.write(fd, b"x")  # the kernel asks for security.capability once
say("ready")
while not os.path.exists(go):
    time.sleep(0.02)
os.write(fd, b"x" * 99999)
say("written")
if "sync" not in sys.argv[4:]:
    time.sleep(10000)
try:
    os.fsync(fd)
except KeyboardInterrupt:
    sys.exit(0)
sys.exit(1)
