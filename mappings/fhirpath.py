"""The FHIRPath subset of SQL on FHIR views, as text to syntax tree.

Source: FHIRPath N1 (http://hl7.org/fhirpath/N1/), restricted to what the ShareableViewDefinition profile of
SQL on FHIR asks for plus `count()`, `iif()`, `join()` and the boundaries. A lexer of one regular expression
and a precedence climbing ("Pratt") parser; what the names mean is the compiler's business.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from mappings.errors import ViewError


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the path; `type` is its FHIR type, dates keep their text."""

    value: str | int | Decimal | bool
    type: str


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty collection `{}`."""


@dataclass(frozen=True, slots=True)
class Constant:
    """`%name`: a constant of the view, or `%rowIndex`."""

    name: str


@dataclass(frozen=True, slots=True)
class This:
    """`$this`: the value the expression is evaluated on."""


@dataclass(frozen=True, slots=True)
class Member:
    """An element of `base`; without a base, of the value the expression is evaluated on."""

    base: "Node | None"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function applied to `base`; without a base, to the value the expression is evaluated on."""

    base: "Node | None"
    name: str
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Index:
    """`base[position]`, counted from 0."""

    base: "Node"
    position: "Node"


@dataclass(frozen=True, slots=True)
class Negative:
    """A number with its sign turned."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and an operator of `OPERATORS`."""

    operator: str
    left: "Node"
    right: "Node"


Node: TypeAlias = Literal | Empty | Constant | This | Member | Call | Index | Negative | Binary

# Binding power by operator (FHIRPath, section "Operator Precedence"); all associate to the left.
OPERATORS = {
    "or": 10, "and": 20, "=": 30, "!=": 30, "<": 40, ">": 40, "<=": 40, ">=": 40, "+": 50, "-": 50,
    "*": 60, "/": 60,
}  # fmt: skip
_SIGN_POWER = 70
# Deeper nesting than any written by hand; below Python's own recursion limit.
_MAX_DEPTH = 60

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<time>@T\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?)
  | (?P<dateTime>@\d{4}(?:-\d{2}(?:-\d{2})?)?T
        (?:\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:\d{2})?)?)
  | (?P<date>@\d{4}(?:-\d{2}(?:-\d{2})?)?)
  | (?P<decimal>\d+\.\d+)
  | (?P<integer>\d+)
  | (?P<constant>%(?:[A-Za-z_]\w*|`[^`]+`))
  | (?P<this>\$this\b)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<quoted>`[^`]+`)
  | (?P<symbol>!=|<=|>=|[=<>+\-*/().,{}\[\]])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


def parse(text: str) -> Node:
    """Read one FHIRPath expression; raises `ViewError` naming the place of the first thing it cannot read."""
    parser = _Parser(text, list(_tokens(text)))
    node = parser.expression(0)
    if parser.current.kind != "end":
        raise parser.unexpected("an operator or the end")
    return node


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _wrong(text, position, f"{text[position]!r} starts nothing FHIRPath knows")
        if match.lastgroup != "blank":
            yield _Token(match.lastgroup, match.group(), position)
        position = match.end()
    yield _Token("end", "", position)


def _wrong(text: str, position: int, problem: str) -> ViewError:
    return ViewError(
        f"The path {text!r} cannot be read at character {position + 1}: {problem}.",
        "Write the path in the FHIRPath subset that docs/mappings.md lists.",
    )


def _unescape(quoted: str) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(replace, quoted[1:-1])


class _Parser:
    """Reads tokens left to right; `expression(power)` stops at the first operator that binds no tighter."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    @property
    def current(self) -> _Token:
        return self._tokens[self._position]

    def unexpected(self, wanted: str) -> ViewError:
        token = self.current
        found = repr(token.text) if token.text else "the end"
        return _wrong(self._text, token.start, f"{wanted} expected, {found} found")

    def expression(self, power: int) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _wrong(self._text, self.current.start, f"nested deeper than {_MAX_DEPTH} levels")
        left = self._postfix(self._operand())
        while (binding := self._binding()) > power:
            operator = self._next().text
            left = Binary(operator, left, self.expression(binding))
        self._depth -= 1
        return left

    def _binding(self) -> int:
        token = self.current
        return OPERATORS.get(token.text, 0) if token.kind in ("symbol", "name") else 0

    def _next(self) -> _Token:
        token = self.current
        self._position += 1
        return token

    def _take(self, symbol: str) -> bool:
        if self.current.kind == "symbol" and self.current.text == symbol:
            self._position += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise self.unexpected(repr(symbol))

    def _operand(self) -> Node:
        if self._take("("):
            node = self.expression(0)
            self._expect(")")
            return node
        if self._take("{"):
            self._expect("}")
            return Empty()
        if self._take("-"):
            return Negative(self.expression(_SIGN_POWER))
        if self.current.kind in ("name", "quoted"):
            return self._named(None)
        return self._atom()

    def _atom(self) -> Node:
        token = self.current
        node: Node
        match token.kind:
            case "string":
                node = Literal(_unescape(token.text), "string")
            case "integer":
                node = Literal(int(token.text), "integer")
            case "decimal":
                node = Literal(Decimal(token.text), "decimal")
            case "date" | "dateTime":
                node = Literal(token.text[1:], token.kind)
            case "time":
                node = Literal(token.text[2:], "time")
            case "constant":
                node = Constant(token.text[1:].strip("`"))
            case "this":
                node = This()
            case _:
                raise self.unexpected("a value or an element")
        self._position += 1
        return node

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._take("."):
                if self.current.kind not in ("name", "quoted"):
                    raise self.unexpected("an element or a function")
                node = self._named(node)
            elif self._take("["):
                node = Index(node, self.expression(0))
                self._expect("]")
            else:
                return node

    def _named(self, base: Node | None) -> Node:
        token = self._next()
        name = token.text.strip("`")
        if self._take("("):
            return Call(base, name, self._arguments())
        if base is None and token.kind == "name" and name in ("true", "false"):
            return Literal(name == "true", "boolean")
        return Member(base, name)

    def _arguments(self) -> tuple[Node, ...]:
        if self._take(")"):
            return ()
        found = [self.expression(0)]
        while self._take(","):
            found.append(self.expression(0))
        self._expect(")")
        return tuple(found)
