"""Stands between the builder and the code of a source distribution.

In, on stdin: one line of JSON, a job; then nothing until the builder wants the build to end, or has
ended itself: that is the end of stdin. Out, on stderr: lines of JSON that only trusted code writes,
`{"layers": {...}}` before any foreign code runs and `{"ended": ...}` at the end. The foreign code's
own output goes to stdout. Every process of the build is killed before this one ends.

Three processes: the outer one makes the namespaces, which its children live in; the inner one is
their first process and reaps and kills; the third is confined, says so, and becomes the Python that
the backend runs in. Standard library only; the third must not import anything once it is confined.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import select
import signal
import sys
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV, MS_NOEXEC = 4096, 16384, 1 << 18, 2, 4, 8

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


# Namespaces: the outer process.


def unshare(job, layers):
    if sys.platform != "linux":
        layers["namespaces"] = "this system has none"
        return
    user, group = os.getuid(), os.getgid()

    def namespaces():
        call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNS)
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", "%d %d 1" % (user, user))
        write("/proc/self/gid_map", "%d %d 1" % (group, group))

    attempt(layers, "namespaces", namespaces)


def write(path, text):
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def mount(source, target, kind, flags):
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    call("mount", *encoded, ctypes.c_ulong(flags), None)


def set_read_only(path, yes):
    """With all that is mounted below it, where `yes`."""
    flag, recursive, here = 1, 0x8000, -100
    attributes = (ctypes.c_uint64 * 4)(flag if yes else 0, 0 if yes else flag, 0, 0)
    syscall(
        442,
        ctypes.c_int(here),
        os.fsencode(path),
        ctypes.c_uint(recursive if yes else 0),
        attributes,
        ctypes.c_size_t(32),
    )


def arrange_mounts(job, layers):
    """All that is there read-only, for Landlock says nothing of modes and owners; an own /proc and
    /dev/shm; and one path for every build, so that a path which a compiler writes into its output
    is the same each time. Runs in the inner process."""

    def read_only():
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        place = next(filter(is_empty, ("/mnt", "/srv", "/media")), job["root"])
        mount(job["root"], place, None, MS_BIND)
        job["root"] = place
        set_read_only("/", True)
        set_read_only(place, False)

    attempt(layers, "read-only files", read_only)
    quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC
    attempt(layers, "own /proc", lambda: mount("proc", "/proc", "proc", quiet))
    if os.path.isdir("/dev/shm"):
        attempt(layers, "own /dev/shm", lambda: mount("tmpfs", "/dev/shm", "tmpfs", quiet))


def is_empty(folder):
    try:
        return not os.listdir(folder)
    except OSError:
        return False


# Confinement: the third process.


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

    for path in readable():
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


def readable():
    """What a compiler or a Python needs to read, and nobody's home."""
    paths = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix"]
    paths += ["/var/lang", "/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup"]
    paths += [os.path.dirname(PYTHON), os.path.dirname(os.path.dirname(os.path.realpath(PYTHON)))]
    paths += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in os.environ.get("PATH", "").split(":"):
        paths.append(folder)
        if os.path.basename(folder) == "bin":
            above = os.path.dirname(folder)
            paths += [os.path.join(above, name) for name in ("lib", "lib64", "include", "libexec")]
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
# sockets a build could ask a daemon of this machine to do for it what it may not do itself.
REFUSED = {
    "socket": (41, 198),
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


def become_backend(job, layers, report):
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    root = job["root"]
    variables = dict(job["variables"])
    for name, path in job["folders"].items():
        variables[name] = os.path.join(root, path)
    python = os.path.join(root, "env", "bin", "python")
    variables["PATH"] = os.path.dirname(python) + ":" + os.environ.get("PATH", os.defpath)
    if "LD_LIBRARY_PATH" in os.environ:
        variables["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    task = dict(job["task"], root=root)
    arguments = [python, "-s", "-X", "utf8", "-c", job["program"], json.dumps(task)]
    os.chdir(os.path.join(root, job["task"]["source"]))
    confine(job, layers)
    tell(report, {"layers": layers})
    if not layers["network"] and not job["may_have_network"]:
        os._exit(0)
    os.dup2(1, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(3, 4096)
    os.execve(python, arguments, variables)


# The inner process.


def tell(report, message):
    os.write(report, json.dumps(message).encode() + b"\n")


def keep(job, layers, outer):
    """Starts the backend, waits for its end, or for that of whoever wants it; then kills all that
    is left."""
    os.setsid()
    contained = layers.get("namespaces") is True
    if contained:
        # The kernel kills the rest of a namespace with its first process.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        arrange_mounts(job, layers)
        prctl(PR_SET_DUMPABLE, 0)
    elif sys.platform == "linux":
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    job["own_processes"] = contained
    job["own_shm"] = layers.get("own /dev/shm") is True
    # A descriptor that the backend can't write to by accident.
    report = os.dup(2)
    backend = os.fork()
    if backend == 0:
        try:
            become_backend(job, layers, report)
        except BaseException as error:
            tell(report, {"broken": "%s: %s" % (type(error).__name__, error)})
        os._exit(1)
    os.close(1)
    deadline = time.monotonic() + job["seconds"]
    why, status = "itself", None
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(outer, select.POLLIN | select.POLLHUP)
    while status is None:
        for child, code in reap():
            if child == backend:
                status = code
        if status is not None:
            break
        if poll.poll(20):
            why = "asked"
            break
        if time.monotonic() > deadline:
            why = "time"
            break
    kill_the_rest(contained, backend, status)
    tell(report, {"ended": why, "status": status})
    os._exit(0)


def reap():
    while True:
        try:
            child, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if child == 0:
            return
        yield child, code


def kill_the_rest(contained, backend, status):
    if contained:
        try:
            # From the first process of a namespace: every other one in it.
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
    elif status is None:
        kill_group(backend)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for _ in reap():
            pass
        left = children()
        if not left:
            return
        for child in left:
            kill_group(child)
        time.sleep(0.005)


def kill_group(process):
    for kill in (os.killpg, os.kill):
        try:
            kill(process, signal.SIGKILL)
        except OSError:
            pass


def children():
    """This process's children, those that were orphaned below it among them."""
    try:
        with open("/proc/thread-self/children") as listing:
            return [int(child) for child in listing.read().split()]
    except (OSError, ValueError):
        pass
    return []


# The outer process.


def base_python():
    """The interpreter itself, where this one is that of a virtual environment."""
    python = sys.executable
    for _ in range(5):
        settings = os.path.join(os.path.dirname(os.path.dirname(python)), "pyvenv.cfg")
        try:
            with open(settings) as file:
                lines = [line.partition("=") for line in file]
        except OSError:
            break
        homes = [value.strip() for name, _, value in lines if name.strip() == "home"]
        names = (os.path.basename(python), "python%d.%d" % sys.version_info[:2], "python3")
        found = [os.path.join(home, name) for home in homes[:1] for name in names]
        python = next(filter(os.path.exists, found), python)
    return python


PYTHON = base_python()


def make_environment(job):
    """A virtual environment around the site-packages folder that the builder has filled."""
    home = os.path.dirname(PYTHON)
    environment = os.path.join(job["root"], "env")
    folder = os.path.join(environment, "bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(environment, "pyvenv.cfg"), "w") as file:
        file.write("home = %s\ninclude-system-site-packages = false\n" % home)
        file.write("version = %s\n" % platform.python_version())
    for name in ("python", "python3", "python%d.%d" % sys.version_info[:2]):
        link = os.path.join(folder, name)
        if not os.path.lexists(link):
            os.symlink(PYTHON, link)


def main():
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        line += piece
    job, layers = json.loads(line), {}
    WITHOUT.extend(job["without"])
    make_environment(job)
    unshare(job, layers)
    outer, alive = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(alive)
        try:
            keep(job, layers, outer)
        except BaseException as error:
            tell(2, {"broken": "%s: %s" % (type(error).__name__, error)})
        os._exit(1)
    os.close(outer)
    os.waitpid(inner, 0)


main()
