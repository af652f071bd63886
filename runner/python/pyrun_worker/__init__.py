"""Runs one function, or one program, in this process, and says what came of it.

In: a request (JSON, up to the end of input) from an inherited descriptor. Out: lines on the same
descriptor, each a word and JSON: ``phase``, ``yield``, and at most one ``result`` or ``fault``.
Never: writes to stdout or stderr, which are the user's; imports what a plain run does not need,
since that time is added to every run. Standard library only, CPython 3.9 and newer.
"""

import posix
import sys

from _json import encode_basestring, make_encoder, make_scanner

# The exit status that says: the function closed the descriptor that its result travels on.
WIRE_LOST = 117

_GENERATOR = type(_ for _ in ())


class Slow(Exception):
    """A value that the C encoder alone can't write."""


class Wire:
    """The descriptor that the runner listens on."""

    def __init__(self, fd):
        posix.set_inheritable(fd, False)
        self.fd = fd
        self.owner = posix.getpid()

    def receive(self):
        """Reads the request."""
        chunks = []
        while True:
            chunk = posix.read(self.fd, 1 << 16)
            if not chunk:
                break
            chunks.append(chunk)
        return parse(b"".join(chunks).decode("utf-8"))

    def send(self, line):
        """Writes one line. A forked copy of this process has nothing to say."""
        if posix.getpid() != self.owner:
            return
        rest = memoryview(line)
        while rest:
            rest = rest[posix.write(self.fd, rest) :]

    def phase(self, name):
        """Says that a phase begins."""
        self.send(b'phase "%s"\n' % name)

    def fault(self, fields):
        """Says what failed."""
        self.send(b"fault %s\n" % encode(plain_text(fields)).encode("utf-8"))


class Scanner:
    """What the C scanner asks its decoder for; importing `json` would cost ten milliseconds."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = None


def parse(text):
    """A value from compact JSON."""
    return make_scanner(Scanner)(text, 0)[0]


def refuse(value):
    raise Slow


def encode(value):
    """A plain value's JSON. Raises for anything else: NaN, cycles, other types."""
    return "".join(make_encoder({}, refuse, encode_basestring, None, ":", ",", False, False, False)(value, 0))


def plain_text(value):
    """The same value without lone surrogates, which UTF-8 has no bytes for."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
            return value
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: plain_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_text(item) for item in value]
    return value


def own(name):
    """Imports a rarely used part of the worker; its bytecode may be kept, unlike the user's."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    try:
        return getattr(__import__(__name__, fromlist=[name]), name)
    finally:
        sys.dont_write_bytecode = before


def main(fd):
    """Runs what the request says. The only entry."""
    wire = Wire(fd)
    request = wire.receive()
    script = Script(request)
    prepare(request)
    if request["kind"] == "program":
        run_program(wire, script)
    else:
        run_function(wire, script, request)


class Script:
    """The user's file: its module, and the source that tracebacks and `inspect` show."""

    def __init__(self, request):
        self.path = request["path"]
        source = request["source"]
        self.source = source[1:] if source.startswith("\ufeff") else source
        self.program = request["kind"] == "program"

    def get_source(self, _name=None):
        """The loader protocol (PEP 302) that `linecache` asks for source lines."""
        return self.source

    def is_package(self, _name=None):
        """The loader protocol: a file is no package."""
        return False

    def get_code(self, _name=None):
        """The compiled file."""
        return compile(self.source, self.path, "exec", dont_inherit=True)

    def module(self):
        """A fresh module, registered as Python would: pickle, dataclasses and type hints look there."""
        name = "__main__" if self.program else self.module_name()
        module = type(sys)(name)
        module.__file__ = absolute(self.path) if self.program else self.path
        module.__loader__ = self
        if not self.program:
            module.__spec__ = sys.modules["_frozen_importlib"].ModuleSpec(name, self, origin=self.path)
        if "requirements" in self.source:
            module.requirements = decorator()
        sys.modules[name] = module
        return module

    def module_name(self):
        """The file's stem; another name where that would hide a module from an `import`."""
        stem = self.path.rpartition("/")[2].partition(".")[0]
        fallback = "__pyrun_script__"
        if not stem.isidentifier() or stem in sys.modules or stem in sys.builtin_module_names:
            return fallback
        finder = sys.modules["_frozen_importlib_external"].PathFinder
        return fallback if finder.find_spec(stem, sys.path) else stem


def absolute(path):
    """The path from the root, as Python makes a script's own `__file__` (3.9 and newer)."""
    if path.startswith("/"):
        return path
    return posix.getcwd().rstrip("/") + "/" + (path[2:] if path.startswith("./") else path)


def decorator():
    """Our own `requirements`, even where a package called `pyrun` was asked for."""
    module = type(sys)("pyrun")
    path = __file__.rpartition("/")[0].rpartition("/")[0] + "/pyrun/__init__.py"
    loader = sys.modules["_frozen_importlib_external"].SourceFileLoader("pyrun", path)
    exec(loader.get_code("pyrun"), module.__dict__)
    return module.requirements


def prepare(request):
    """Makes this process look as one that Python started for the script alone."""
    sys.dont_write_bytecode = True
    for name, value in request["variables"].items():
        set_variable(name, value)
    ours = sys.path.pop(0)
    if request["site"]:
        if request["pth"]:
            import site

            site.addsitedir(request["site"])
        else:
            sys.path.append(request["site"])
    sys.path.append(ours)
    if request["script_dir"] is not None:
        sys.path.insert(0, request["script_dir"])
    sys.argv = [request["path"], *request["argv"]]
    add_site_builtins()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True)


def set_variable(name, value):
    """Sets one in the environment: `os` copies `posix.environ` when it is imported."""
    posix.putenv(name, value)
    posix.environ[name.encode("utf-8")] = value.encode("utf-8")


def add_site_builtins():
    """`exit`, `quit` and their kin, which `site` adds to every interpreter."""
    import builtins

    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()
    builtins.copyright = _sitebuiltins._Printer("copyright", sys.copyright)
    builtins.credits = _sitebuiltins._Printer("credits", "See www.python.org for more information.")
    builtins.license = _sitebuiltins._Printer("license", "See https://www.python.org/psf/license/")


def run_program(wire, script):
    """Executes the file as `__main__`; everything that Python does at the end, it does."""
    wire.phase(b"call")
    try:
        code = script.get_code()
    except SyntaxError as error:
        wire.fault(own("errors").syntax(error, script))
        raise SystemExit(1) from None
    module = script.module()
    try:
        exec(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
        fields = own("errors").uncaught(error, script)
        try:
            wire.fault(dict(fields, status=status))
        except OSError:
            pass  # a program may close what it likes: its exit status says enough
        raise SystemExit(status) from None


def run_function(wire, script, request):
    """Loads the file, calls the function, and sends its result."""
    limit = request["result_bytes"]
    try:
        last = outcome(wire, script, request, limit)
    except SystemExit as error:
        last = own("errors").exited(error, script)
    except BaseException as error:
        last = own("errors").raised(error, script)
    try:
        flush()
        if isinstance(last, bytes):
            wire.send(last)
        else:
            wire.fault(last)
    except OSError:
        leave(WIRE_LOST)
    leave(0)


def outcome(wire, script, request, limit):
    """The last line to send, or a fault's fields."""
    wire.phase(b"import")
    try:
        code = script.get_code()
    except SyntaxError as error:
        return own("errors").syntax(error, script)
    module = script.module()
    exec(code, module.__dict__)
    name = request["name"]
    function = module.__dict__.get(name)
    if not callable(function):
        return own("errors").no_function(name, script)
    args, kwargs = request["args"], request["kwargs"]
    if request["tagged"]:
        args, kwargs = own("arguments").decode(args, kwargs, module.__dict__)
    wire.phase(b"call")
    value = function(*args, **kwargs)
    try:
        if type(value) is _GENERATOR:
            value = send_items(wire, value, limit)
        elif hasattr(type(value), "__await__"):
            value = wait_for(value)
        elif hasattr(type(value), "__anext__"):
            import asyncio

            value = asyncio.run(send_async_items(wire, value, limit))
        return line(b"result", value, limit)
    except Unfit as error:
        return error.fields


class Unfit(Exception):
    """A value that can't be sent."""

    def __init__(self, fields):
        super().__init__(fields)
        self.fields = fields


def wait_for(value):
    """What a coroutine, or anything else that can be awaited, comes to."""
    import asyncio

    if asyncio.iscoroutine(value):
        return asyncio.run(value)

    async def wait():
        return await value

    return asyncio.run(wait())


def send_items(wire, generator, limit):
    """Sends each item as it comes; gives back what the generator returned."""
    while True:
        try:
            item = next(generator)
        except StopIteration as stop:
            return stop.value
        flush()
        wire.send(line(b"yield", item, limit))


async def send_async_items(wire, generator, limit):
    """Sends each item as it comes."""
    async for item in generator:
        flush()
        wire.send(line(b"yield", item, limit))


def line(kind, value, limit):
    """The line that carries a value. Raises `Unfit`."""
    try:
        text = encode(value)
        if '"$pyrun"' in text:
            raise Slow
        body = text.encode("utf-8")
    except Exception:
        name = "result" if kind == b"result" else "item"
        body = own("results").convert(value, name, limit)
    if len(body) > limit:
        raise Unfit(own("errors").too_large(len(body), limit))
    return b"%s %s\n" % (kind, body)


def flush():
    """Lets go of what the user printed, so that it comes before what is sent next."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # closed, or replaced by something that can't: the user's choice


def leave(status):
    """Ends as Python does, threads and exit functions included, but for taking down each module:
    with large libraries that takes longer than many functions."""
    threading = sys.modules.get("threading")
    try:
        if threading is not None:
            threading._shutdown()
        import atexit

        atexit._run_exitfuncs()
    except BaseException:
        pass  # `atexit` has printed it already; the function's outcome stands
    flush()
    posix._exit(status)
