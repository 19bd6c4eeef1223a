"""Small parts of sqlglot's tree, and what is thrown when there is no part that means the same."""

import functools

import sqlglot
from sqlglot import exp

Node = exp.Expr


class Untranslatable(Exception):  # noqa: N818 -- not an error yet: `dialect` makes it one
    """A construct without an equal in Spark; the text names it."""


def call(name: str, *arguments: Node) -> exp.Anonymous:
    """A call of one of Spark's functions."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: Node, kind: str) -> exp.Cast:
    """A cast to a type of sqlglot's own naming: TEXT, DATE, DOUBLE, BIGINT, TIMESTAMPNTZ."""
    return exp.Cast(this=node, to=exp.DataType(this=exp.DataType.Type[kind]))


def put(template: str, value: Node) -> Node:
    """An expression of Spark's SQL with `value` in place of its column `x`."""
    tree = _parsed(template).copy()
    for column in list(tree.find_all(exp.Column)):
        if column.name == "x":
            column.replace(value.copy())
    return exp.paren(tree)


@functools.cache
def _parsed(template: str) -> Node:
    return sqlglot.parse_one(template, read="spark")
