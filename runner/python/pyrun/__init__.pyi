from typing import Any, Callable, Mapping, TypeVar

__all__ = ["requirements"]

_F = TypeVar("_F", bound=Callable[..., Any])

def requirements(*packages: Mapping[str, str] | str, **options: Any) -> Callable[[_F], _F]: ...
