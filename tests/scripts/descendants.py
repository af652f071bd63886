"""Leaves a child, a grandchild, and a daemon that has forked twice and left its session."""

import os
import subprocess
import time


def daemon():
    """A process that nothing connects to this one; gives back its id."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writer, b"%d" % os.getpid())
            os.closerange(0, 256)
            while True:
                time.sleep(1)
        os._exit(0)
    os.wait()
    return int(os.read(reader, 100))


def f(wait):
    """Prints the ids of what it leaves behind."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    shell = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE)
    grandchild = int(shell.stdout.readline())
    print(child.pid, grandchild, daemon())
    if wait:
        time.sleep(600)
    return "done"
