"""What went wrong, as the fields of a fault.

In: an exception and the script. Out: a dictionary with code, message, hints, spans, traceback.
Never: shows a frame of the worker; lets a hostile `__str__` or a huge message through.
"""

import sys

_HERE = __file__.rpartition("/")[0] + "/"
_MESSAGE = 8_000
_TRACEBACK = 200_000

# Import names whose project is called something else.
_PROJECTS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "umap": "umap-learn",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def raised(error, script):
    """An exception that the function let through."""
    fields = {
        "code": "run.memory" if isinstance(error, MemoryError) else "run.raised",
        "message": shorten(headline(error), _MESSAGE),
        "hints": hints(error),
        "spans": spans(error, script),
        "traceback": shorten(text(error), _TRACEBACK),
    }
    if isinstance(error, MemoryError):
        fields["message"] = "the function ran out of memory: " + fields["message"]
    return fields


def uncaught(error, script):
    """An exception that a program let through. Python's own hook shows it on stderr, so the fault
    holds no traceback."""
    fields = raised(error, script)
    del fields["traceback"]
    hook = sys.excepthook
    trace = trim(error.__traceback__)
    try:
        if hook is sys.__excepthook__:
            sys.stderr.write(text(error))
        else:
            hook(type(error), error.with_traceback(trace), trace)
        sys.stderr.flush()
    except Exception:
        pass  # stderr is gone: the fault still says what happened
    return fields


def exited(error, script):
    """`sys.exit` in a function: 0 and None are a result of None."""
    code = error.code
    if code is None or (isinstance(code, int) and code == 0):
        return b"result null\n"
    if isinstance(code, int):
        message = "the function called `sys.exit(%d)`" % code
    else:
        message = shorten("the function called `sys.exit`: %s" % safe(code), _MESSAGE)
    return {
        "code": "run.exited",
        "message": message,
        "hints": ["return a value to end a function, or raise an exception to fail"],
        "spans": spans(error, script),
        "traceback": shorten(text(error), _TRACEBACK),
    }


def syntax(error, script):
    """A file that this Python can't compile."""
    version = "%d.%d" % sys.version_info[:2]
    fields = {"code": "script.syntax", "message": "Python %s can't read the script: %s" % (version, error.msg)}
    lines = script.source.splitlines()
    if error.lineno and error.lineno <= len(lines):
        shown = lines[error.lineno - 1]
        column = min(max(error.offset or 1, 1), len(shown) + 1)
        fields["spans"] = [span(script, error.lineno, column, 1, shown)]
    return fields


def no_function(name, script):
    """No such name at the top level once the file has run."""
    return {
        "code": "script.function",
        "message": "`%s` has no function `%s` once it is loaded" % (script.path, name),
        "hints": ["define it at the top level of the file, not under an `if` that is false here"],
    }


def too_large(size, limit):
    """A result over its limit."""
    return {
        "code": "run.output",
        "message": "the result is %d bytes of JSON, more than its limit of %d" % (size, limit),
        "hints": ["return less, yield it in parts, or write it to a file"],
    }


def headline(error):
    """`ValueError: text`, as the last line of a traceback."""
    kind = type(error)
    name = kind.__qualname__
    shown = safe(error)
    return "%s: %s" % (name, shown) if shown else name


def safe(value):
    """`str`, whatever the object does."""
    try:
        return str(value)
    except Exception:
        return "<its text could not be made>"


def shorten(shown, limit):
    """The text, or its beginning and its end."""
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return "%s\n... %d characters left out ...\n%s" % (shown[:half], len(shown) - 2 * half, shown[-half:])


def hints(error):
    """What to do next, where that is known."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        root = error.name.partition(".")[0]
        project = _PROJECTS.get(root, root)
        if root not in getattr(sys, "stdlib_module_names", ()) and root not in sys.modules:
            found = ["add '%s' to the requirements" % project]
            if root not in _PROJECTS:
                found.append("if it is a file beside the script: a function is sent alone, without its neighbours")
            return found
    return []


def trim(trace):
    """The traceback from its first frame that is not the worker's."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    return trace


def text(error):
    """What Python would print, without the worker's frames."""
    import traceback

    try:
        shown = traceback.TracebackException(type(error), error, error.__traceback__)
        drop_own_frames(shown)
        return "".join(shown.format())
    except Exception:
        return headline(error) + "\n"


def drop_own_frames(shown):
    """Takes the worker's frames out of a chain of causes and out of groups."""
    todo, seen = [shown], set()
    while todo:
        part = todo.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if part.stack is not None:
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_HERE)]
        todo += [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())]


def spans(error, script):
    """The innermost place in the script that the exception passed."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == script.path:
            found = trace
        trace = trace.tb_next
    lines = script.source.splitlines()
    if found is None or not 0 < (found.tb_lineno or 0) <= len(lines):
        return []
    number = found.tb_lineno
    shown = lines[number - 1]
    column, end = columns(found, shown)
    return [span(script, number, column, end - column, shown)]


def columns(trace, shown):
    """First and last column, counted from 1 in characters: PEP 657 where Python knows them."""
    bare = shown.strip()
    whole = len(shown) - len(shown.lstrip()) + 1
    default = (whole, whole + max(len(bare), 1))
    try:
        positions = list(trace.tb_frame.f_code.co_positions())
        line, last, start, stop = positions[trace.tb_lasti // 2]
        if line != trace.tb_lineno or start is None:
            return default
        raw = shown.encode("utf-8")
        begin = len(raw[:start].decode("utf-8", "replace")) + 1
        end = len(raw[:stop].decode("utf-8", "replace")) + 1 if last == line else default[1]
        return (begin, max(end, begin + 1))
    except (AttributeError, IndexError):
        return default


def span(script, number, column, length, shown):
    """A place in the script."""
    return {"file": script.path, "line": number, "column": column, "length": max(length, 1), "text": shown}
