# Asked of the function's Python once, under `-I -S`. Imports only what every start has loaded anyway.
import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER

numbers = sys.version_info
level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(numbers[3])
try:
    libc = posix.confstr("CS_GNU_LIBC_VERSION")
except (ValueError, OSError):
    libc = None
answer = [
    sys.implementation.name,
    "%d.%d.%d" % numbers[:3] + (level + str(numbers[4]) if level else ""),
    "t" if "t" in sys.abiflags else "",
    libc or "",
    posix.uname().machine,
    str(int.from_bytes(MAGIC_NUMBER[:2], "little")),
    sys.implementation.cache_tag,
    getattr(sys, "_base_executable", None) or sys.executable,
    "end",
]
sys.stdout.write("\n".join(answer) + "\n")
sys.stdout.flush()
