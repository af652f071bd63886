"""Compiles Python files to bytecode, one after the other, without running them.

In, on stdin: frames of a path's length, the path, a source's length, the source (lengths are 4
bytes, little endian). Out, on stdout: first this interpreter's magic number (2 bytes), then for
each frame a kind (`c` compiled, `s` skipped), a length, and either what `marshal.dumps` and
`source_hash` give (the hash's 8 bytes first) or the reason in words.
The end of stdin is the end of the process. Standard library only.
"""

import sys

# `-c` puts the working folder first: nothing may be imported from there.
sys.path[:] = [folder for folder in sys.path if folder]

import marshal
import warnings
from importlib.util import MAGIC_NUMBER, source_hash

MEMORY = 2 << 30


def main():
    warnings.simplefilter("ignore")
    limit_memory()
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    stdout.write(MAGIC_NUMBER[:2])
    stdout.flush()
    while True:
        prefix = stdin.read(4)
        if len(prefix) < 4:
            return
        path = stdin.read(int.from_bytes(prefix, "little")).decode("utf-8")
        source = stdin.read(int.from_bytes(stdin.read(4), "little"))
        kind, answer = compile_file(path, source)
        stdout.write(kind + len(answer).to_bytes(4, "little"))
        stdout.write(answer)
        stdout.flush()


def compile_file(path, source):
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        return b"c", source_hash(source) + marshal.dumps(code)
    # A syntax error, a null byte, an encoding that is not there, a nesting that is too deep.
    except Exception as error:
        reason = "%s: %s" % (type(error).__name__, error)
        return b"s", reason.encode("utf-8", "replace")[:1000]


def limit_memory():
    """Lets a file that takes too much fail alone, instead of the machine."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
    except (ImportError, ValueError, OSError):
        pass


main()
