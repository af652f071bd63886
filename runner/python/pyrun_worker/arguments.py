"""Arguments that JSON has no word for: ``{"$pyrun": kind, "value": ...}``, as docs/VALUES.md says.

In: decoded JSON and the script's names. Out: the values that the function is called with.
Never: imports what no argument needs.
"""


def decode(args, kwargs, names):
    """The call's arguments with each tagged value made."""
    return [value(item, names) for item in args], {key: value(item, names) for key, item in kwargs.items()}


def value(item, names):
    """One value."""
    if isinstance(item, list):
        return [value(inner, names) for inner in item]
    if not isinstance(item, dict):
        return item
    kind = item.get("$pyrun")
    if kind is None:
        return {key: value(inner, names) for key, inner in item.items()}
    make = globals().get("make_" + kind) if isinstance(kind, str) else None
    if make is None:
        raise TypeError("an argument is of the kind %r, which this version does not know" % (kind,))
    return make(item if kind == "enum" else item["value"], names)


def make_path(text, _names):
    import pathlib

    return pathlib.Path(text)


def make_datetime(text, _names):
    import datetime

    # Before 3.11, `fromisoformat` knows no `Z`.
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)


def make_date(text, _names):
    import datetime

    return datetime.date.fromisoformat(text)


def make_time(text, _names):
    import datetime

    return datetime.time.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)


def make_timedelta(seconds, _names):
    import datetime

    return datetime.timedelta(seconds=seconds)


def make_decimal(text, _names):
    import decimal

    return decimal.Decimal(text)


def make_uuid(text, _names):
    import uuid

    return uuid.UUID(text)


def make_bytes(text, _names):
    import binascii

    return binascii.a2b_base64(text)


def make_int(text, _names):
    return int(text)


def make_float(text, _names):
    return float(text)


def make_tuple(items, names):
    return tuple(value(item, names) for item in items)


def make_set(items, names):
    return {value(item, names) for item in items}


def make_dict(items, names):
    """A mapping that has a key `$pyrun` of its own (an object), or keys that are no text (pairs)."""
    if isinstance(items, dict):
        return {key: value(inner, names) for key, inner in items.items()}
    return {value(key, names): value(inner, names) for key, inner in items}


def make_enum(member, names):
    """A member by its class, a name of the script that may be dotted, and its own name."""
    first, *rest = member["class"].split(".")
    found = names[first]
    for part in rest:
        found = getattr(found, part)
    return found[member["name"]]
