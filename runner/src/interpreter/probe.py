# Asked of each interpreter once, under `-I -S`. Imports only what every start has loaded anyway.
import sys

lines = ["implementation=" + sys.implementation.name]
numbers = sys.version_info
level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(numbers[3])
lines.append(
    "version=%d.%d.%d" % numbers[:3] + (level + str(numbers[4]) if level else "")
)

if sys.implementation.name == "cpython" and numbers >= (3, 9):
    import posix
    from _frozen_importlib_external import MAGIC_NUMBER

    lines.append("bits=" + ("64" if sys.maxsize > 2**32 else "32"))
    lines.append("free-threaded=" + ("1" if "t" in sys.abiflags else "0"))
    lines.append(
        "executable=" + (getattr(sys, "_base_executable", None) or sys.executable)
    )
    lines.append("magic=%d" % int.from_bytes(MAGIC_NUMBER[:2], "little"))
    lines.append("cache-tag=" + sys.implementation.cache_tag)
    lines.append("platform=" + sys.platform)
    lines.append("machine=" + posix.uname().machine)
    if sys.platform == "linux":
        try:
            libc = posix.confstr("CS_GNU_LIBC_VERSION")
        except (ValueError, OSError):
            libc = None
        if libc:
            lines.append("libc=" + libc)
        else:
            with open("/proc/self/maps") as maps:
                for line in maps:
                    if "/ld-musl-" in line:
                        lines.append("loader=" + line[line.index("/") :].strip())
                        break

lines.append("end")
sys.stdout.write("\n".join(lines) + "\n")
sys.stdout.flush()
