"""idmap.py MOUNT DIRECTORY: mounts MOUNT on DIRECTORY once more, with ids 0 to 9 shown as 1000 to 1009 (mount_setattr(2)).
Exit status 77: the kernel or the filesystem does not do that."""
import ctypes, errno, os, signal, struct, sys

OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, AT_EMPTY_PATH, MOVE_MOUNT_F_EMPTY_PATH, MOUNT_ATTR_IDMAP = 1, 0x1000, 4, 0x100000
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        print(f"syscall {number}: {os.strerror(code)}", file=sys.stderr)
        sys.exit(77 if code in (errno.ENOSYS, errno.EINVAL) else 1)
    return result


def user_namespace():
    child = os.fork()
    if child == 0:
        libc.unshare(CLONE_NEWUSER)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{name}", "w") as ids:
            ids.write("0 1000 10")
    fd = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.kill(child, signal.SIGCONT)
    os.waitpid(child, 0)
    return fd


mount, directory = sys.argv[1:]
tree = call(OPEN_TREE, -100, mount.encode(), OPEN_TREE_CLONE)
attributes = struct.pack("=QQQQ", MOUNT_ATTR_IDMAP, 0, 0, user_namespace())
call(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes))
call(MOVE_MOUNT, tree, b"", -100, directory.encode(), MOVE_MOUNT_F_EMPTY_PATH)
