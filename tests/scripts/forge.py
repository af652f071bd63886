"""Writes to the descriptor that belongs to the worker."""

import os
import stat


def f():
    for fd in range(3, 4096):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                rest = b"LINE\n"
                while rest:
                    rest = rest[os.write(fd, rest) :]
        except OSError:
            pass
