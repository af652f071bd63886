"""Stands between the builder and the code of a source distribution.

In, on stdin: one line of JSON, a job; then nothing until the builder wants the build to end, or has
ended itself: that is the end of stdin. Out, on stderr: lines of JSON that only trusted code writes,
`{"layers": {...}}` before any foreign code runs and `{"ended": ...}` at the end. The foreign code's
own output goes to stdout. Every process of the build is killed before this one ends.

Three processes: the outer one makes the namespaces, which its children live in; the inner one is
their first process and reaps and kills; the third is confined, says so, and becomes the Python that
the backend runs in. Standard library only; the third must not import anything once it is confined, which confine.py
does; watch.py tells when the build takes too much. The three are one text, this last.
"""

import ctypes
import json
import os
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


# Namespaces, and a control group: the outer process.


def make_group(job):
    """Where root builds, whom the kernel's own limit of processes does not hold, a control group that
    does, if one can be made: the folder that it is in, opened before anything is read-only, and its name."""
    job["group"] = None
    if sys.platform != "linux" or os.getuid() != 0:
        return None
    name = "pyrun-build-%d" % os.getpid()
    # The controller's own hierarchy, or the one that there is.
    for base in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        try:
            folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
            os.mkdir(name, dir_fd=folder)
        except OSError:
            continue
        try:
            write(os.path.join(base, name, "pids.max"), str(job["processes"]))
            job["group"] = os.open(os.path.join(base, name, "cgroup.procs"), os.O_WRONLY)
            return folder, name
        except OSError:
            remove_group(folder, name)
    return None


def remove_group(folder, name):
    try:
        os.rmdir(name, dir_fd=folder)
    except OSError:
        pass  # an empty group costs nothing


def unshare(layers):
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


def mount(source, target, kind, flags, data=None):
    words = (source, target, kind, data)
    source, target, kind, data = (None if text is None else os.fsencode(text) for text in words)
    call("mount", source, target, kind, ctypes.c_ulong(flags), data)


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
        size = "size=%d" % job["memory_bytes"]
        attempt(layers, "own /dev/shm", lambda: mount("tmpfs", "/dev/shm", "tmpfs", quiet, size))


def is_empty(folder):
    try:
        return not os.listdir(folder)
    except OSError:
        return False


# The third process.


def make_environment(job):
    """A virtual environment around the site-packages folder that the builder has filled. Made anew for
    each hook, by the confined process: an earlier one may have left links there."""
    environment = os.path.join(job["root"], "env")
    folder = os.path.join(environment, "bin")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(environment, "pyvenv.cfg"), "w") as file:
        file.write("home = %s\n" % os.path.dirname(job["python"]))
        file.write("include-system-site-packages = false\n")
        file.write("version = %d.%d.%d\n" % sys.version_info[:3])
    for name in ("python", "python3", "python%d.%d" % sys.version_info[:2]):
        link = os.path.join(folder, name)
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(job["python"], link)


def die_first():
    """Where the machine has no memory left, the kernel ends the build and not who waits for it."""
    try:
        write("/proc/self/oom_score_adj", "1000")
    except OSError:
        pass


def join_group(group):
    try:
        os.write(group, b"0")
    except OSError:
        pass  # as where none can be made: the time ends it


def become_backend(job, layers, report):
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if job["group"] is not None:
        join_group(job["group"])
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
    die_first()
    confine(job, layers)
    tell(report, {"layers": layers})
    if not layers["network"] and not job["may_have_network"]:
        os._exit(0)
    make_environment(job)
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
    why, status = "itself", None
    try:
        # A build of many processes leaves its keeper little of the machine: the time is over in the
        # middle of a look, too.
        signal.signal(signal.SIGALRM, end_time)
        signal.setitimer(signal.ITIMER_REAL, job["seconds"])
        watch = Watch(job)
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
            passed = watch.passed()
            if passed:
                why = passed
                break
        signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeUp:
        if status is None and why == "itself":
            why = "time"
    kill_the_rest(contained, backend, status)
    tell(report, {"ended": why, "status": status})
    os._exit(0)


class TimeUp(Exception):
    pass


def end_time(_number, _frame):
    raise TimeUp


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


def main():
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            return
        line += piece
    job, layers = json.loads(line), {}
    WITHOUT.extend(job["without"])
    job["python"] = base_python()
    group = make_group(job)
    unshare(layers)
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
    if group:
        remove_group(*group)


main()
