"""SMART scopes of systems: whether what was granted is what was asked, and which types it lets us search.

Version 1 says read and write, version 2 a subset of `cruds` with an optional query that narrows it
(https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SCOPE = re.compile(
    r"system/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<may>\*|read|write|[cruds]+)(?P<query>\?[!-~]+)?"
)
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


@dataclass(frozen=True, slots=True)
class _Scope:
    resource_type: str
    may: frozenset[str]
    is_narrowed: bool


def missing_scopes(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes asked for that those granted do not cover, in the order asked."""
    held = frozenset(granted)
    return tuple(scope for scope in asked if not _is_covered(scope, held))


def may_search(resource_type: str, asked: Iterable[str], granted: Iterable[str]) -> bool:
    """Whether a search of `resource_type` will find all there is for us.

    A scope that a query narrows counts only when it was asked for like that. When no scope asked for is one
    of SMART's (some servers know a single scope of their own), nothing can be told from them: True.
    """
    wished = frozenset(asked)
    if all(_parsed(scope) is None for scope in wished):
        return True
    return any(
        scope.resource_type in {"*", resource_type}
        and "s" in scope.may
        and (not scope.is_narrowed or text in wished)
        for text, scope in ((text, _parsed(text)) for text in granted)
        if scope is not None
    )


def _is_covered(text: str, granted: frozenset[str]) -> bool:
    wanted = _parsed(text)
    if text in granted or wanted is None:
        return text in granted
    held = [scope for scope in map(_parsed, granted) if scope is not None and not scope.is_narrowed]
    return wanted.may <= {
        right for scope in held if scope.resource_type in {"*", wanted.resource_type} for right in scope.may
    }


def _parsed(text: str) -> _Scope | None:
    match = _SCOPE.fullmatch(text)
    if match is None:
        return None
    may = frozenset(_VERSION_1.get(match["may"], match["may"]))
    return _Scope(match["type"], may, match["query"] is not None)
