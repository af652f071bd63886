"""What a process of a build puts on itself before it runs foreign code.

In: a job (its limits, the folder that it may write). Out: which layers hold, or why one does not. Never
undone; nothing here starts a process. Stands before warden.py in one text; standard library only.
"""

import ctypes
import errno
import os
import platform
import resource
import sys

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

LIBC = ctypes.CDLL(None, use_errno=True)

# Layers that a test leaves out, to see what the others hold.
WITHOUT = []


def call(name, *arguments):
    """A C function's answer; raises OSError where it is negative."""
    answer = getattr(LIBC, name)(*arguments)
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return answer


def prctl(option, *arguments):
    numbers = [ctypes.c_ulong(number) for number in arguments]
    numbers += [ctypes.c_ulong(0)] * (4 - len(numbers))
    return call("prctl", ctypes.c_int(option), *numbers)


def syscall(number, *arguments):
    return call("syscall", ctypes.c_long(number), *arguments)


def attempt(layers, name, step):
    """Applies a layer and notes that it holds, or why it does not."""
    try:
        if name in WITHOUT:
            raise OSError("it is left out on purpose")
        step()
        layers[name] = True
    except (OSError, AttributeError, ValueError) as error:
        layers[name] = str(error)


def limit(job):
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: job["cpu_seconds"],
        resource.RLIMIT_FSIZE: job["file_bytes"],
        resource.RLIMIT_NOFILE: 4096,
    }
    # Elsewhere the number counts all processes of the user, this build's or not.
    if job["own_processes"]:
        limits[resource.RLIMIT_NPROC] = job["processes"]
    for which, most in limits.items():
        _, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(which, (most, most))


def drop_capabilities():
    for number in range(64):
        LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    LIBC.prctl(PR_CAP_AMBIENT, ctypes.c_ulong(PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


LANDLOCK = {"create": 444, "add": 445, "restrict": 446}
READ_FILE, READ_DIR, EXECUTE, WRITE_FILE = 1 << 2, 1 << 3, 1, 1 << 1
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def landlock(job):
    version = syscall(LANDLOCK["create"], None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    every = (1 << 13) - 1
    if version >= 2:
        every |= 1 << 13
    if version >= 3:
        every |= TRUNCATE
    if version >= 5:
        every |= IOCTL_DEV
    network = 0b11 if version >= 4 else 0
    scoped = 0b11 if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = (ctypes.c_uint64 * 3)(every, network, scoped)
    rules = syscall(
        LANDLOCK["create"], attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)
    )

    def allow(path, rights):
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not os.path.isdir(path):
                rights &= ON_FILES
            beneath = PathBeneath(rights & every, folder)
            syscall(
                LANDLOCK["add"],
                ctypes.c_int(rules),
                ctypes.c_int(1),
                ctypes.byref(beneath),
                ctypes.c_uint32(0),
            )
        finally:
            os.close(folder)

    for path in readable(job["python"], job["home"]):
        allow(path, READ_FILE | READ_DIR | EXECUTE)
    # Its files are devices: a disk may be one of them.
    allow("/dev", READ_DIR)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        allow("/dev/" + name, READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV)
    if job["own_shm"]:
        allow("/dev/shm", every)
    allow(job["root"], every)
    syscall(LANDLOCK["restrict"], ctypes.c_int(rules), ctypes.c_uint32(0))
    os.close(rules)


def parts(folder):
    """Where programs of a `bin` find the rest of them."""
    return [os.path.join(folder, name) for name in ("lib", "lib64", "include", "libexec")]


def holds_home(path, home):
    """Whether the user's home is that folder or lies below it."""
    try:
        path, home = os.path.realpath(path), os.path.realpath(home)
        return bool(path) and os.path.commonpath([home, path]) == path
    except ValueError:
        return False


def readable(python, home):
    """What a compiler or a Python needs to read, and nobody's home."""
    paths = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix"]
    paths += ["/var/lang", "/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup"]
    above = os.path.dirname(os.path.dirname(os.path.realpath(python)))
    paths += [os.path.dirname(python), above] + parts(above)
    paths += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in os.environ.get("PATH", "").split(":"):
        paths.append(folder)
        if os.path.basename(folder) == "bin":
            paths += parts(os.path.dirname(folder))
    # A home may be an installation, or stand on `PATH` itself.
    paths = [path for path in paths if not (home and holds_home(path, home))]
    try:
        settings = sorted(os.listdir("/etc"))[:1000]
    except OSError:
        settings = []
    for name in settings:
        path = os.path.join("/etc", name)
        try:
            if name != "ssl" and os.stat(path).st_mode & 0o004:
                paths.append(path)
        except OSError:
            continue
    paths += ["/etc/ssl/certs", "/etc/ssl/openssl.cnf"]
    return [path for path in paths if os.path.isabs(path) and path != "/"]


# Calls that are refused, by their number on x86-64 and on Arm. `socket` with every family: with Unix
# sockets a build could ask a daemon of this machine to do for it what it may not do itself. What is
# shared by System V's keys or as a queue is no process's, and outlives the build.
REFUSED = {
    "socket": (41, 198),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "unshare": (272, 97),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
}
MACHINES = {"x86_64": (0, 0xC000003E, 56), "aarch64": (1, 0xC00000B7, 220)}
CLONE3 = 435
NEW_NAMESPACES = 0x7E020000

LOAD, JUMP_EQUAL, JUMP_ABOVE, JUMP_ANY, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


class Filter(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("then", ctypes.c_uint8),
        ("otherwise", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filters", ctypes.POINTER(Filter))]


def seccomp():
    column, machine, clone = MACHINES[platform.machine()]
    refuse = REFUSE | errno.EPERM
    steps = [
        (LOAD, 0, 0, 4),
        # A program of another machine, such as a 32-bit one, has other numbers.
        (JUMP_EQUAL, 1, 0, machine),
        (RETURN, 0, 0, refuse),
        (LOAD, 0, 0, 0),
        # And so has x32.
        (JUMP_ABOVE, 0, 1, 0x40000000),
        (RETURN, 0, 0, refuse),
    ]
    for numbers in REFUSED.values():
        steps += [(JUMP_EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, refuse)]
    # Its flags lie in memory, where a filter can't look; C libraries take `clone` instead.
    steps += [(JUMP_EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    steps += [
        (JUMP_EQUAL, 0, 3, clone),
        (LOAD, 0, 0, 16),
        (JUMP_ANY, 0, 1, NEW_NAMESPACES),
        (RETURN, 0, 0, refuse),
        (RETURN, 0, 0, ALLOW),
    ]
    filters = (Filter * len(steps))(*[Filter(*step) for step in steps])
    program = Program(len(steps), filters)
    call(
        "prctl",
        ctypes.c_int(PR_SET_SECCOMP),
        ctypes.c_ulong(2),
        ctypes.byref(program),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )


def confine(job, layers):
    attempt(layers, "session", os.setsid)
    attempt(layers, "limits", lambda: limit(job))
    if sys.platform == "linux":
        attempt(layers, "no new privileges", lambda: prctl(PR_SET_NO_NEW_PRIVS, 1))
        attempt(layers, "capabilities", drop_capabilities)
        attempt(layers, "landlock", lambda: landlock(job))
        if platform.machine() in MACHINES:
            attempt(layers, "seccomp", seccomp)
    # Its own network namespace has no way out; a filter keeps any socket from being made.
    layers["network"] = layers.get("namespaces") is True or layers.get("seccomp") is True
