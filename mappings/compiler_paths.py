"""FHIRPath syntax to typed SQL expressions: elements, literals, constants, operators.

Every element is looked up in the FHIR schema, so a misspelt name is an error before the night, not an empty
column after it. Functions are in `compiler_functions`.
"""

from dataclasses import replace
from decimal import Decimal

from mappings.compiler_functions import call
from mappings.compiler_values import (
    EMPTY,
    INTEGERS,
    Choice,
    Result,
    Scope,
    Value,
    as_list,
    family,
    literal,
    number,
    read,
    single,
)
from mappings.errors import ViewError
from mappings.fhirpath import Binary, Call, Constant, Empty, Index, Literal, Member, Negative, Node, This
from mappings.schema import type_info

_SQL_OPERATOR = {"=": "=", "!=": "<>"}


def evaluate(node: Node, scope: Scope) -> Result:
    """The typed SQL of a path on the scope's focus. Raises `ViewError` for what FHIR or the subset lacks."""
    result: Result
    match node:
        case Literal(value, fhir_type):
            result = _constant(value, fhir_type)
        case Empty():
            result = Value("NULL", EMPTY)
        case Constant(name):
            result = _named_constant(name, scope)
        case This():
            result = scope.focus
        case Member():
            result = _member(node, scope)
        case Call():
            result = call(node, scope, evaluate)
        case Index():
            result = _index(node, scope)
        case Negative(operand):
            result = _negative(operand, scope)
        case Binary():
            result = _binary(node, scope)
    return result


def value_of(node: Node, scope: Scope) -> Value:
    """Like `evaluate`, for places where a choice element must have been given its type."""
    result = evaluate(node, scope)
    if isinstance(result, Choice):
        raise _untyped(result)
    return result


def condition(node: Node, scope: Scope, what: str) -> str:
    """The SQL of a path that must be boolean."""
    value = value_of(node, scope)
    if value.type not in ("boolean", EMPTY):
        raise ViewError(f"{what} is not boolean: it gives {value.type}.", "Compare it, or ask .exists().")
    return single(scope.build, value).sql


def _member(node: Member, scope: Scope) -> Result:
    if node.base is None:
        if scope.is_root and node.name == scope.build.resource:
            return scope.focus
        base: Result = scope.focus
    else:
        base = evaluate(node.base, scope)
    if isinstance(base, Choice):
        raise _untyped(base)
    if base.type == EMPTY:
        return base
    if base.is_primitive:
        raise ViewError(f"{base.type} has no element {node.name!r}.", "Primitive values have no elements.")
    info = type_info(scope.build.fhir_version, base.type)
    if node.name in info.choices:
        return Choice(base, node.name, info.choices[node.name])
    if node.name not in info.elements:
        raise _unknown(node.name, base.type, scope)
    return read(scope.build, base, info.elements[node.name])


def _unknown(name: str, type_name: str, scope: Scope) -> ViewError:
    info = type_info(scope.build.fhir_version, type_name)
    for group, options in info.choices.items():
        for fhir_type, option in options.items():
            if option.name == name:
                return ViewError(
                    f"{type_name} has no element {name!r} in FHIRPath: it is a choice.",
                    f"Write {group}.ofType({fhir_type}).",
                )
    return ViewError(
        f"{type_name} has no element {name!r} in FHIR {scope.build.fhir_version}.",
        f"Use one of: {', '.join(info.element_names)}.",
    )


def _untyped(choice: Choice) -> ViewError:
    return ViewError(
        f"{choice.name} is a choice element of {choice.parent.type}: its type must be named.",
        f"Use {choice.name}.ofType(…) with one of: {', '.join(choice.options)}.",
    )


def _constant(value: str | int | Decimal | bool, fhir_type: str) -> Value:
    if isinstance(value, bool):
        return Value("TRUE" if value else "FALSE", fhir_type)
    if isinstance(value, str):
        return Value(literal(value), fhir_type)
    # Plain notation: DuckDB reads 1E+2 as a DOUBLE, but 100 as what it is. Signed numbers in brackets.
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return Value(f"({text})" if value < 0 else text, fhir_type)


def _named_constant(name: str, scope: Scope) -> Value:
    if name == "rowIndex":
        return Value(scope.row_index, "integer")
    if name not in scope.build.constants:
        known = ", ".join(f"%{known}" for known in [*scope.build.constants, "rowIndex"])
        raise ViewError(f"The view defines no constant %{name}.", f"Define it, or use one of: {known}.")
    fhir_type, value = scope.build.constants[name]
    return _constant(value, fhir_type)


def _index(node: Index, scope: Scope) -> Value:
    base = value_of(node.base, scope)
    position = single(scope.build, value_of(node.position, scope))
    if position.type not in INTEGERS:
        raise ViewError(f"An index must be an integer, not {position.type}.", "Write for example name[0].")
    if base.is_list:
        # DuckDB counts from 1; a negative index would count from the end, where FHIRPath gives empty.
        sql = f"CASE WHEN {position.sql} >= 0 THEN ({base.sql})[{position.sql} + 1] END"
        if isinstance(node.position, Literal):
            sql = f"({base.sql})[{int(str(node.position.value)) + 1}]"
    else:
        sql = f"CASE WHEN {position.sql} = 0 THEN {base.sql} END"
    return replace(base, sql=sql, is_list=False)


def _negative(operand: Node, scope: Scope) -> Value:
    value = single(scope.build, value_of(operand, scope))
    if family(value.type) != "number":
        raise ViewError(f"A sign needs a number, not {value.type}.", "Use - before numbers only.")
    return Value(f"(- {number(scope.build, value)})", value.type)


def _binary(node: Binary, scope: Scope) -> Value:
    if node.operator in ("and", "or"):
        left, right = (
            condition(side, scope, f"An operand of {node.operator}") for side in (node.left, node.right)
        )
        return Value(f"({left} {node.operator.upper()} {right})", "boolean")
    left_value, right_value = value_of(node.left, scope), value_of(node.right, scope)
    if EMPTY in (left_value.type, right_value.type):
        return Value("NULL", EMPTY)
    if node.operator in ("+", "-", "*", "/"):
        return _arithmetic(node.operator, left_value, right_value, scope)
    return _comparison(node.operator, left_value, right_value, scope)


def _arithmetic(operator: str, left: Value, right: Value, scope: Scope) -> Value:
    families = {family(left.type), family(right.type)}
    one, other = single(scope.build, left), single(scope.build, right)
    if families == {"string"} and operator == "+":
        return Value(f"({one.sql} || {other.sql})", "string")
    if families != {"number"}:
        raise ViewError(
            f"{left.type} {operator} {right.type} cannot be computed.", "Use numbers, or + on two strings."
        )
    one_sql, other_sql = number(scope.build, one), number(scope.build, other)
    if operator == "/":
        # FHIRPath: division is decimal, and by zero it gives empty.
        return Value(f"(CAST({one_sql} AS DOUBLE) / nullif({other_sql}, 0))", "decimal")
    both_integers = left.type in INTEGERS and right.type in INTEGERS
    sql = scope.build.may_fail(f"({one_sql} {operator} {other_sql})")  # an integer may overflow
    return Value(sql, "integer" if both_integers else "decimal")


def _comparison(operator: str, left: Value, right: Value, scope: Scope) -> Value:
    kinds = {family(left.type), family(right.type)}
    if len(kinds) > 1 or (kinds & {"boolean", "object"} and operator not in _SQL_OPERATOR):
        raise ViewError(
            f"{left.type} {operator} {right.type} cannot be compared.",
            "Compare values of one kind; dates are written @2024-01-31.",
        )
    if kinds == {"object"}:
        raise ViewError(f"{left.type} is not a single value to compare.", "Compare its elements.")
    if (left.is_list or right.is_list) and operator in _SQL_OPERATOR and kinds != {"temporal"}:
        return _list_equality(operator, left, right, scope)
    one, other = single(scope.build, left), single(scope.build, right)
    if kinds == {"temporal"}:
        return _temporal(operator, one, other, scope)
    sql_operator = _SQL_OPERATOR.get(operator, operator)
    sql = f"({number(scope.build, one)} {sql_operator} {number(scope.build, other)})"
    return Value(sql, "boolean")


def _list_equality(operator: str, left: Value, right: Value, scope: Scope) -> Value:
    """FHIRPath equality of collections: the same values in the same order; empty when one side is."""
    one, other = (number(scope.build, as_list(value)) for value in (left, right))
    sql = f"CASE WHEN len({one}) > 0 AND len({other}) > 0 THEN {one} {_SQL_OPERATOR[operator]} {other} END"
    return Value(f"({sql})", "boolean")


def _temporal(operator: str, left: Value, right: Value, scope: Scope) -> Value:
    """Dates and times at the precision both have; empty where only the finer one could tell (FHIRPath)."""
    one, other, sql_operator = left.sql, right.sql, _SQL_OPERATOR.get(operator, operator)
    shorter = f"least(length({one}), length({other}), 10)"
    as_dates = (
        f"CASE WHEN length({one}) = length({other}) OR left({one}, {shorter}) <> left({other}, {shorter})"
        f" THEN {one} {sql_operator} {other} END"
    )
    if "date" in (left.type, right.type):
        return Value(f"({as_dates})", "boolean")
    instants = [scope.build.may_fail(f"CAST({side} AS TIMESTAMPTZ)") for side in (one, other)]
    return Value(
        f"(CASE WHEN length({one}) > 10 AND length({other}) > 10"
        f" THEN {instants[0]} {sql_operator} {instants[1]} ELSE {as_dates} END)",
        "boolean",
    )
