"""How much of the machine a build takes: memory of its processes, bytes of its folder.

In: a job's bounds. Out: which of them is passed, if one is. Never: looks for longer than a moment at
once; follows a link; opens what a build has made. Stands before warden.py in one text; standard
library only.
"""

import os
import stat
import time

# Looking takes a tenth of the time at most, and comes five times a second at most.
EVERY, SHARE = 0.2, 10
# Files that are weighed at one look.
AT_ONCE = 4000
# Longer paths can't be looked into.
LONGEST = 3000
# What the least file takes: its name and its inode are kept somewhere.
LEAST = 4096
PAGE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """Looks again and again."""

    def __init__(self, job):
        self.job, self.next, self.weighing = job, 0.0, None

    def passed(self):
        """`memory`, `disk` or `depth` where the build has passed that bound."""
        began = time.monotonic()
        if began < self.next:
            return None
        found = None
        processes = descendants()
        if memory(processes, self.job) > self.job["memory_bytes"]:
            found = "memory"
        elif self.weigh(processes) > self.job["disk_bytes"]:
            found = "disk"
        elif self.weighing == "too deep":
            found = "depth"
        ended = time.monotonic()
        self.next = ended + max(EVERY, SHARE * (ended - began))
        return found

    def weigh(self, processes):
        """Goes on adding up; what is known of this round."""
        if self.weighing is None:
            self.weighing = weights(self.job["root"], processes)
        try:
            known, whole = next(self.weighing)
        except TooDeep:
            self.weighing = "too deep"
            return 0
        if whole:
            self.weighing = None
        return known


class TooDeep(Exception):
    pass


def weights(root, processes):
    """Adds up what lies in a folder and what is open without a name; gives what is known so far, and
    whether it is all."""
    known, count, seen, folders = 0, 0, set(), [root]

    def weight(about):
        if about.st_nlink != 1 and not stat.S_ISDIR(about.st_mode):
            file = about.st_dev, about.st_ino
            if file in seen:
                return 0
            seen.add(file)
        return max(about.st_blocks * 512, LEAST)

    for about in open_without_name(processes):
        known += weight(about)
    while folders:
        folder = folders.pop()
        if len(folder) > LONGEST:
            raise TooDeep
        try:
            entries = os.scandir(folder)
        except OSError:
            # It is gone, or the build keeps its keeper out of it.
            continue
        with entries:
            for entry in entries:
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                known += weight(about)
                if stat.S_ISDIR(about.st_mode):
                    folders.append(entry.path)
                count += 1
                if count % AT_ONCE == 0:
                    yield known, False
    yield known, True


def open_without_name(processes):
    for process in processes:
        folder = "/proc/%d/fd" % process
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                about = os.stat(os.path.join(folder, name))
            except OSError:
                continue
            if about.st_nlink == 0 and stat.S_ISREG(about.st_mode):
                yield about


def descendants():
    """All processes below this one. Orphans come to it, so none of them leaves."""
    try:
        # As this /proc numbers it.
        own = int(os.readlink("/proc/self"))
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except (OSError, ValueError):
        return []
    children = {}
    for number in numbers:
        fields = words("/proc/%d/stat" % number, behind=")")
        if len(fields) > 1:
            children.setdefault(int(fields[1]), []).append(number)
    found, pending = [], [own]
    while pending:
        below = children.pop(pending.pop(), [])
        found += below
        pending += below
    return found


def memory(processes, job):
    """Bytes of memory that is not another's as well. What is shared is counted for each of them
    first, which is quick; exactly, where that is too much."""
    shared = 0
    if job["own_shm"]:
        try:
            space = os.statvfs("/dev/shm")
            shared = (space.f_blocks - space.f_bfree) * space.f_frsize
        except OSError:
            pass
    resident = {}
    for process in processes:
        fields = words("/proc/%d/statm" % process)
        if len(fields) > 1:
            resident[process] = int(fields[1]) * PAGE
    if shared + sum(resident.values()) <= job["memory_bytes"]:
        return 0
    return shared + sum(proportional(process, most) for process, most in resident.items())


def proportional(process, most):
    """A process's share of what it maps; all of it, where the kernel does not say."""
    fields = words("/proc/%d/smaps_rollup" % process)
    if b"Pss:" not in fields:
        return most
    return int(fields[fields.index(b"Pss:") + 1]) * 1024


def words(path, behind=""):
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16).rpartition(behind.encode() or b"\0")[2].split()
    except OSError:
        return []
