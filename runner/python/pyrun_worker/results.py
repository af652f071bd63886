"""Results that are no plain JSON: dates, sets, dataclasses, arrays, tables.

In: any object. Out: JSON as bytes, by the table of docs/VALUES.md. Raises `Unfit` with the path
of what has no form there. Never: imports a library to recognise its types.
"""

import sys

from pyrun_worker import Unfit, encode, plain_text
from pyrun_worker.errors import headline, shorten

# Libraries whose other types can be iterated and are no lists: groups, windows, sparse matrices.
_NO_LISTS = ("pandas", "scipy")
# What makes a type of a library one that has a form.
_WAYS_OUT = (("polars", "collect"), ("scipy", "toarray"))
# How deep containers may nest; the wire's reader bears 128.
_DEPTH = 100


def convert(value, name, limit):
    """The value's JSON."""
    try:
        return encode(Converter(limit).plain(value, (None, name), 0)).encode("utf-8")
    except (Unfit, MemoryError):
        raise
    except RecursionError:
        raise unfit("`%s` is nested too deeply to be expressed in JSON" % name) from None
    except Exception as error:
        raise unfit("turning the result into JSON raised %s" % shorten(headline(error), 2_000)) from None


def unfit(message, *hints):
    """A fault for a result."""
    return Unfit({"code": "run.result", "message": message, "hints": list(hints)})


class Converter:
    """Walks a value once. A path is a chain of (parent, step), written out only on failure."""

    def __init__(self, limit):
        self.limit = limit
        self.open = set()

    def plain(self, value, path, depth):
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return plain_text(value)
        if kind is int:
            return self.whole(value, path)
        if kind is float:
            return value if value - value == 0.0 else None
        if depth >= _DEPTH:
            raise unfit("`%s` is nested deeper than %d levels" % (written(path), _DEPTH))
        if id(value) in self.open:
            raise unfit("`%s` contains itself, which JSON can't express" % written(path))
        self.open.add(id(value))
        try:
            return self.composed(value, kind, path, depth + 1)
        finally:
            self.open.discard(id(value))

    def whole(self, value, path):
        if value.bit_length() > 10_000:
            try:
                str(value)
            except ValueError:
                raise unfit(
                    "`%s` has more digits than Python turns into text" % written(path),
                    "return it as text, in hexadecimal: `hex(value)`",
                ) from None
        return value

    def composed(self, value, kind, path, depth):
        for step in (self.by_library, self.by_type, self.by_protocol):
            found = step(value, kind, path, depth)
            if found is not NotImplemented:
                return found
        if isinstance(value, type):
            raise unfit("`%s` is the class `%s` itself, which has no form in JSON" % (written(path), full_name(value)))
        hint = "convert it to text, numbers, lists or dictionaries before it is returned"
        for name, method in _WAYS_OUT:
            if root_of(kind) == name and hasattr(kind, method):
                hint = "call `.%s()` on it first" % method
        raise unfit("`%s` is of the type `%s`, which has no form in JSON" % (written(path), full_name(kind)), hint)

    def by_library(self, value, kind, path, depth):
        """Types of libraries, known by the module of a class they descend from."""
        for base in kind.__mro__:
            maker = LIBRARIES.get((root_of(base), base.__name__))
            if maker is not None:
                return self.plain(maker(value), path, depth)
        return NotImplemented

    def by_type(self, value, kind, path, depth):
        """Types of the language and of its library."""
        if loaded(value, "enum", "Enum"):
            return self.plain(value.value, path, depth)
        if isinstance(value, str):
            return plain_text(str.__str__(value))
        if isinstance(value, int):
            return self.whole(int.__add__(value, 0), path)
        if isinstance(value, float):
            return self.plain(float.__add__(value, 0.0), path, depth)
        if isinstance(value, complex):
            return [self.plain(value.real, path, depth), self.plain(value.imag, path, depth)]
        if isinstance(value, (bytes, bytearray, memoryview)):
            import binascii

            return binascii.b2a_base64(bytes(value), newline=False).decode("ascii")
        if isinstance(value, dict):
            return self.mapping(value, path, depth)
        if isinstance(value, (list, tuple, range)):
            return self.items(value, path, depth)
        if isinstance(value, (set, frozenset)):
            return self.items(in_order(value), path, depth)
        if loaded(value, "datetime", "date", "time"):
            return value.isoformat()
        if loaded(value, "datetime", "timedelta"):
            return value.total_seconds()
        if (
            loaded(value, "decimal", "Decimal")
            or loaded(value, "fractions", "Fraction")
            or loaded(value, "uuid", "UUID")
            or loaded(value, "pathlib", "PurePath")
        ):
            return plain_text(str(value))
        return NotImplemented

    def by_protocol(self, value, kind, path, depth):
        """Objects that say themselves what they are made of."""
        if isinstance(value, type):
            return NotImplemented
        if hasattr(kind, "__dataclass_fields__"):
            names = [field.name for field in sys.modules["dataclasses"].fields(value)]
            return self.mapping({name: getattr(value, name) for name in names}, path, depth)
        if callable(getattr(kind, "model_dump", None)):
            return self.plain(value.model_dump(mode="json"), path, depth)
        if hasattr(kind, "__attrs_attrs__"):
            names = [field.name for field in kind.__attrs_attrs__]
            return self.mapping({name: getattr(value, name) for name in names}, path, depth)
        if callable(getattr(kind, "keys", None)) and hasattr(kind, "__getitem__"):
            return self.mapping({key: value[key] for key in value.keys()}, path, depth)
        if root_of(kind) not in _NO_LISTS and (
            hasattr(kind, "__next__") or (hasattr(kind, "__iter__") and hasattr(kind, "__len__"))
        ):
            return self.items(value, path, depth)
        return NotImplemented

    def items(self, values, path, depth):
        made = []
        for index, item in enumerate(values):
            # Each item is a byte and a comma at least: an endless iterator ends here.
            if 2 * index > self.limit:
                from pyrun_worker.errors import too_large

                raise Unfit(too_large(2 * index, self.limit))
            made.append(self.plain(item, (path, index), depth))
        return made

    def mapping(self, values, path, depth):
        made = {}
        for key, item in values.items():
            made[self.key(key, path)] = self.plain(item, (path, key), depth)
        return {"$pyrun": "dict", "value": made} if "$pyrun" in made else made

    def key(self, key, path):
        """An object's key, spelled as `json.dumps` does."""
        if loaded(key, "enum", "Enum"):
            key = key.value
        if root_of(type(key)) == "numpy" and hasattr(key, "item"):
            key = key.item()
        if isinstance(key, str):
            return plain_text(str.__str__(key))
        if key is None:
            return "null"
        if isinstance(key, bool):
            return "true" if key else "false"
        if isinstance(key, int):
            return int.__repr__(key)
        if isinstance(key, float):
            return float.__repr__(key)
        if loaded(key, "datetime", "date", "time"):
            return key.isoformat()
        if loaded(key, "pandas", "Period", "Interval"):
            return str(key)
        raise unfit(
            "a key of `%s` is of the type `%s`, and JSON has text as keys" % (written(path), full_name(type(key))),
            "turn the keys into text first; with pandas, `.reset_index()` makes an index of several levels columns",
        )


def loaded(value, module, *names):
    """Whether the value is of one of a module's classes; false while nothing has imported it."""
    found = sys.modules.get(module)
    return found is not None and any(isinstance(value, getattr(found, name, ())) for name in names)


def in_order(values):
    """A set's items in an order that no hash decides."""
    try:
        return sorted(values)
    except Exception:
        return sorted(values, key=repr)


def root_of(kind):
    module = getattr(kind, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


def full_name(kind):
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("builtins", "__main__", "") else "%s.%s" % (module, kind.__qualname__)


def written(path):
    """`result["model"][3]`."""
    steps = []
    while path[0] is not None:
        path, step = path
        steps.append('["%s"]' % plain_text(step) if isinstance(step, str) else "[%s]" % shorten(repr(step), 80))
    return shorten(path[1] + "".join(reversed(steps)), 1_000)


def numpy_scalar(value):
    if value.dtype.kind == "M":
        return None if str(value) == "NaT" else str(value)
    if value.dtype.kind == "m":
        return None if str(value) == "NaT" else value.astype("timedelta64[ns]").astype("int64").item() / 1e9
    made = value.item()
    if type(made) is not type(value):
        return made
    # `longdouble` and its complex kin, which Python has no types for.
    return {"f": float, "c": complex}.get(value.dtype.kind, str)(value)


def numpy_array(value):
    if value.dtype.kind in "Mm":
        return [numpy_scalar(item) if item.shape == () else numpy_array(item) for item in value] if value.shape else numpy_scalar(value[()])
    return value.tolist()


def pandas_frame(value):
    if not value.columns.is_unique:
        raise ValueError("two columns of the table have one name")
    return [dict(zip(value.columns, row)) for row in value.itertuples(index=False, name=None)]


def pandas_series(value):
    if not value.index.is_unique:
        raise ValueError("two rows of the series have one label: call `.reset_index()` or `.tolist()`")
    return dict(zip(value.index, value.tolist()))


LIBRARIES = {
    ("numpy", "generic"): numpy_scalar,
    ("numpy", "ndarray"): numpy_array,
    ("pandas", "DataFrame"): pandas_frame,
    ("pandas", "Series"): pandas_series,
    ("pandas", "Index"): lambda value: value.tolist(),
    ("pandas", "ExtensionArray"): lambda value: value.tolist(),
    ("pandas", "NaTType"): lambda value: None,
    ("pandas", "NAType"): lambda value: None,
    ("pandas", "Period"): str,
    ("pandas", "Interval"): str,
    ("polars", "DataFrame"): lambda value: value.to_dicts(),
    ("polars", "Series"): lambda value: value.to_list(),
    ("pyarrow", "Table"): lambda value: value.to_pylist(),
    ("pyarrow", "RecordBatch"): lambda value: value.to_pylist(),
    ("pyarrow", "Array"): lambda value: value.to_pylist(),
    ("pyarrow", "ChunkedArray"): lambda value: value.to_pylist(),
    ("pyarrow", "Scalar"): lambda value: value.as_py(),
    ("torch", "Tensor"): lambda value: value.detach().cpu().tolist(),
}
