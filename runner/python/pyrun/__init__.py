"""What a script may import from pyrun.

The decorator is read from the file's text before anything runs; at run time it only leaves a note
on the function. It is known inside a run without an import, too.
"""

__all__ = ["requirements"]


def requirements(*packages, **options):
    """Name the packages that a function needs.

    ``packages``: a mapping of project names to versions (``{"requests": "2.30.0", "rich": ""}``;
    ``"2.30.0"`` means ``==2.30.0`` and ``""`` any version), or requirement strings.
    ``options``: what else the run needs, such as ``python``.

    Returns a decorator that gives the function back unchanged, with the arguments as its
    ``__pyrun_requirements__``.
    """

    def mark(function):
        try:
            function.__pyrun_requirements__ = (packages, options)
        except AttributeError:
            pass  # a built-in function has no room for a note
        return function

    return mark
