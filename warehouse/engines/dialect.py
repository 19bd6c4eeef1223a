"""DuckDB's SQL as Spark's: one text of each statement, translated by sqlglot and mended where that is wrong.

sqlglot knows the grammar of both. What means something else under the same name is mended on the parsed
statement (`warehouse.engines.fixups`); what has no equal in Spark is refused with the reason, and never sent.
"""

import sqlglot
from sqlglot.errors import SqlglotError

from mappings.errors import SqlFileError
from warehouse.engines.fixups import FIXUPS, refuse
from warehouse.engines.nodes import Node, Untranslatable


def to_spark(sql: str) -> str:
    """The statement in Spark's SQL, which gives the same rows there in a session of ANSI mode and UTC.

    Raises SqlFileError for a construct that has no equal; the message names it and quotes no value.
    """
    return render(parse(sql))


def parse(sql: str) -> Node:
    """The statement as sqlglot's tree; SqlFileError when sqlglot does not know its grammar."""
    try:
        tokens = sqlglot.tokenize(sql, read="duckdb")
        tree = sqlglot.parse_one(sql, read="duckdb")
    except SqlglotError:
        raise _refusal("a construct that sqlglot cannot read") from None
    # The tree does not tell it from regexp_matches: the whole text must match there, a part of it here.
    if any(token.text == "~" for token in tokens):
        raise _refusal("the operator ~")
    return tree


def render(tree: Node) -> str:
    """A parsed statement in Spark's SQL; the tree is used up."""
    try:
        return _mended(tree).sql(dialect="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except Untranslatable as refused:
        raise _refusal(str(refused)) from None
    except SqlglotError:
        raise _refusal("a construct that sqlglot cannot write") from None


def _mended(tree: Node) -> Node:
    """The tree with every node put as Spark must read it, inner ones first; raises Untranslatable."""
    for node in reversed(list(tree.dfs())):
        refuse(node)
        fixup = FIXUPS.get(type(node))
        if fixup is None:
            continue
        put = fixup(node)
        if put is not node:
            tree = put if node is tree else tree
            node.replace(put)
    return tree


def _refusal(construct: str) -> SqlFileError:
    return SqlFileError(
        f"A statement uses {construct}, which Spark does not read as DuckDB does.",
        "Write it in the portable subset (CONTRIBUTING.md), or run without --engine spark.",
    )
