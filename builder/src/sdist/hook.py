"""Calls one hook of a build backend (PEP 517).

In: a task in JSON as the only argument. Out: `result.json`, which holds the hook's answer, or says
that the backend has no such hook. What goes wrong is a traceback on stderr and exit status 1.
Everything after the import of the backend is foreign code. Standard library only.
"""

import importlib
import json
import os
import sys


def load(task):
    source = os.path.realpath(os.path.join(task["root"], task["source"]))
    # `-c` puts the working folder first, which PEP 517 does not want.
    sys.path[:] = [folder for folder in sys.path if folder]
    inside = [os.path.realpath(os.path.join(source, path)) for path in task["backend_path"]]
    for folder in inside:
        if os.path.commonpath([source, folder]) != source:
            raise SystemExit("`backend-path` leaves the source distribution: %s" % folder)
    sys.path[:0] = inside
    module, _, attributes = task["backend"].partition(":")
    backend = importlib.import_module(module)
    if inside:
        found = os.path.realpath(getattr(backend, "__file__", None) or "")
        if not any(found.startswith(folder + os.sep) for folder in inside):
            raise SystemExit("the backend `%s` is not in its `backend-path`" % module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    return backend


def main():
    task = json.loads(sys.argv[1])
    del sys.argv[1:]
    if sys.version_info >= (3, 14):
        # Its default asks for a socket, which a build does not get.
        import multiprocessing

        multiprocessing.set_start_method("fork")
    backend, name = load(task), task["hook"]
    hook = getattr(backend, name, None)
    if hook is None:
        result = {"missing": True}
    else:
        folder = os.path.join(task["root"], "out")
        if name == "get_requires_for_build_wheel":
            result = {"answer": list(hook({}))}
        elif name == "prepare_metadata_for_build_wheel":
            result = {"answer": hook(folder, {})}
        else:
            metadata = task["metadata"] and os.path.join(folder, task["metadata"])
            result = {"answer": hook(folder, {}, metadata)}
    sys.stdout.flush()
    with open(os.path.join(task["root"], "result.json"), "w") as file:
        json.dump(result, file)


main()
