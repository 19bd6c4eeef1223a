"""The FHIRPath functions of views as SQL, one small Python function each.

Sources: FHIRPath N1 for the general ones, SQL on FHIR 2.0.0 for `getResourceKey()` and `getReferenceKey()`,
FHIR R4 (section 2.3.0, Reference) for the forms of a reference.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from mappings import compiler_boundaries as boundaries
from mappings.compiler_values import (
    EMPTY,
    ROOT,
    ROW,
    Choice,
    Invocation,
    Result,
    Scope,
    Value,
    as_list,
    family,
    field_of,
    literal,
    number,
    present,
    read,
    single,
    transformed,
)
from mappings.errors import ViewError
from mappings.fhirpath import Call, Member, Node
from mappings.schema import is_resource_type, type_info

Evaluate = Callable[[Node, Scope], Result]
_KEY = r"([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$"


def call(node: Call, scope: Scope, evaluate: Evaluate) -> Value:
    """The typed SQL of a function call. Raises `ViewError` for an unknown name or wrong arguments."""
    if node.name not in _FUNCTIONS:
        raise ViewError(f"function {node.name}() is not supported.", f"Use one of: {', '.join(_FUNCTIONS)}.")
    least, most, function = _FUNCTIONS[node.name]
    if not least <= len(node.arguments) <= most:
        counts = str(least) if least == most else f"{least} to {most}"
        raise ViewError(
            f"{node.name}() takes {counts} arguments, not {len(node.arguments)}.", "Correct the arguments."
        )
    if node.name == "extension":
        base = _extension_base(node.base, scope, evaluate)
    else:
        base = evaluate(node.base, scope) if node.base is not None else scope.focus
    return function(Invocation(scope, node.name, base, node.arguments, node.base), evaluate)


def _plain(result: Result, what: str) -> Value:
    if isinstance(result, Choice):
        raise ViewError(
            f"{what} needs a type: {result.name} is a choice element.",
            f"Use {result.name}.ofType(…) with one of: {', '.join(result.options)}.",
        )
    return result


def _base(invocation: Invocation) -> Value:
    return _plain(invocation.base, f"{invocation.name}()")


def _argument(invocation: Invocation, position: int, evaluate: Evaluate, scope: Scope) -> Value:
    return _plain(evaluate(invocation.arguments[position], scope), f"An argument of {invocation.name}()")


def _criterion(invocation: Invocation, evaluate: Evaluate, scope: Scope) -> str:
    value = _argument(invocation, 0, evaluate, scope)
    if value.type not in ("boolean", EMPTY):
        raise ViewError(
            f"{invocation.name}(): the criterion is not boolean, it gives {value.type}.",
            "Compare it, or ask .exists().",
        )
    return single(scope.build, value).sql


def _where(invocation: Invocation, evaluate: Evaluate) -> Value:
    base, scope = _base(invocation), invocation.scope
    if not base.is_list:
        test = _criterion(invocation, evaluate, scope.on(base))
        return replace(base, sql=f"CASE WHEN {test} THEN {base.sql} END")
    name = scope.build.fresh()
    test = _criterion(invocation, evaluate, scope.on(replace(base, sql=name, is_list=False)))
    return replace(base, sql=f"list_filter({base.sql}, lambda {name}: {test})")


def _exists(invocation: Invocation, evaluate: Evaluate) -> Value:
    if isinstance(invocation.base, Choice):
        if invocation.arguments:
            raise ViewError("exists() with a criterion needs a type.", "Name it with ofType(…) first.")
        return Value(_choice_exists(invocation.base, invocation.scope), "boolean")
    base = _where(invocation, evaluate) if invocation.arguments else invocation.base
    if base.is_list:
        return Value(f"(coalesce(len({base.sql}), 0) > 0)", "boolean")
    return Value(f"({base.sql} IS NOT NULL)", "boolean")


def _choice_exists(choice: Choice, scope: Scope) -> str:
    shape = choice.parent.shape
    if shape is None:
        raise ViewError(f"{choice.name} cannot be read from a computed value.", "Read it from an element.")
    for option in choice.options.values():
        shape.child(option)

    def any_of(sql: str) -> str:
        fields = (field_of(sql, option.name) for option in choice.options.values())
        return "(" + " OR ".join(f"{field} IS NOT NULL" for field in fields) + ")"

    if not choice.parent.is_list:
        return any_of(choice.parent.sql)
    return f"coalesce(list_bool_or({transformed(scope.build, choice.parent.sql, any_of)}), FALSE)"


def _empty(invocation: Invocation, evaluate: Evaluate) -> Value:
    return Value(f"(NOT {_exists(invocation, evaluate).sql})", "boolean")


def _not(invocation: Invocation, _: Evaluate) -> Value:
    base = single(invocation.scope.build, _base(invocation))
    if base.type not in ("boolean", EMPTY):
        raise ViewError(f"not() needs a boolean, not {base.type}.", "Compare it, or ask .exists().")
    return Value(f"(NOT {base.sql})", "boolean")


def _first(invocation: Invocation, _: Evaluate) -> Value:
    base = _base(invocation)
    return replace(base, sql=f"({base.sql})[1]", is_list=False) if base.is_list else base


def _count(invocation: Invocation, _: Evaluate) -> Value:
    base = _base(invocation)
    sql = f"coalesce(len({base.sql}), 0)" if base.is_list else f"CAST({base.sql} IS NOT NULL AS INTEGER)"
    return Value(sql, "integer")


def _join(invocation: Invocation, evaluate: Evaluate) -> Value:
    base = as_list(_base(invocation))
    if family(base.type) != "string":
        raise ViewError(f"join() needs strings, not {base.type}.", "Join elements of type string or code.")
    separator = "''"
    if invocation.arguments:
        separator = single(invocation.scope.build, _argument(invocation, 0, evaluate, invocation.scope)).sql
    # FHIR strings are never empty, so '' can only mean that there was nothing to join: empty (FHIRPath).
    return Value(f"nullif(array_to_string({base.sql}, {separator}), '')", "string")


def _iif(invocation: Invocation, evaluate: Evaluate) -> Value:
    scope, build = invocation.scope, invocation.scope.build
    test = _criterion(invocation, evaluate, scope.on(_base(invocation)) if invocation.base_node else scope)
    values = [_argument(invocation, place, evaluate, scope) for place in range(1, len(invocation.arguments))]
    typed = [value for value in values if value.type != EMPTY]
    if len({family(value.type) for value in typed}) != 1 or not typed[0].is_primitive:
        types = " and ".join(value.type for value in values)
        raise ViewError(f"iif() gives {types}.", "Give values of one kind in both cases.")
    is_list = any(value.is_list for value in typed)
    cases = [
        "NULL" if value.type == EMPTY else number(build, as_list(value) if is_list else value)
        for value in values
    ]
    otherwise = f" ELSE {cases[1]}" if len(cases) > 1 else ""
    fhir_type = next((value.type for value in typed if value.type == "decimal"), typed[0].type)
    return Value(f"(CASE WHEN {test} THEN {cases[0]}{otherwise} END)", fhir_type, is_list=is_list)


def _of_type(invocation: Invocation, _: Evaluate) -> Value:
    wanted = _type_argument(invocation)
    base, scope = invocation.base, invocation.scope
    if isinstance(base, Value):
        if base.type == wanted:
            return base
        raise ViewError(f"ofType({wanted}) is never true: this is {base.type}.", "Leave ofType() out.")
    if wanted not in base.options:
        raise ViewError(
            f"{base.name} is never {wanted} in FHIR {scope.build.fhir_version}.",
            f"Use one of: {', '.join(base.options)}.",
        )
    return read(scope.build, base.parent, base.options[wanted])


def _type_argument(invocation: Invocation) -> str:
    node = invocation.arguments[0]
    if isinstance(node, Member) and node.base in (None, Member(None, "FHIR")):
        return node.name
    raise ViewError(f"{invocation.name}() needs the name of a type.", "Write for example ofType(Quantity).")


def _extension(invocation: Invocation, evaluate: Evaluate) -> Value:
    base, build = _base(invocation), invocation.scope.build
    if base.is_primitive:
        raise ViewError(
            "extension() of a primitive value must follow the element itself.",
            "Write for example birthDate.extension('…').",
        )
    url = single(build, _argument(invocation, 0, evaluate, invocation.scope))
    if family(url.type) != "string":
        raise ViewError(f"extension() needs a URL, not {url.type}.", "Write extension('http://…').")
    info = type_info(build.fhir_version, base.type)
    if "extension" not in info.elements:
        raise ViewError(f"{base.type} has no extensions.", "Leave extension() out.")
    extensions = read(build, base, info.elements["extension"])
    name = build.fresh()
    item = replace(extensions, sql=name, is_list=False)
    item_url = read(build, item, type_info(build.fhir_version, "Extension").elements["url"])
    sql = f"list_filter({extensions.sql}, lambda {name}: {item_url.sql} = {url.sql})"
    return replace(extensions, sql=sql)


def _extension_base(node: Node | None, scope: Scope, evaluate: Evaluate) -> Result:
    """What extension() is read from: for a primitive, the property `_name` beside it."""
    match node:
        case None:
            return scope.focus
        case Member(base=parent_node, name=name):
            parent = evaluate(parent_node, scope) if parent_node is not None else scope.focus
            if isinstance(parent, Value) and not parent.is_primitive:
                found = type_info(scope.build.fhir_version, parent.type).elements.get(name)
                if found is not None and found.is_primitive:
                    return read(scope.build, parent, found.companion)
        case Call(base=choice_node, name="ofType", arguments=(Member(name=wanted),)) if (
            choice_node is not None
        ):
            choice = evaluate(choice_node, scope)
            if (
                isinstance(choice, Choice)
                and wanted in choice.options
                and choice.options[wanted].is_primitive
            ):
                return read(scope.build, choice.parent, choice.options[wanted].companion)
    return evaluate(node, scope)


def _resource_key(invocation: Invocation, _: Evaluate) -> Value:
    if _base(invocation).sql != ROOT:
        raise ViewError(
            "getResourceKey() belongs to the resource.", "Put the column in a select without forEach."
        )
    return Value(f"({ROW}.center_id || '/' || {ROW}.resource_id)", "string")


def _reference_key(invocation: Invocation, _: Evaluate) -> Value:
    base, build = _base(invocation), invocation.scope.build
    if base.type != "Reference":
        raise ViewError(f"getReferenceKey() needs a Reference, not {base.type}.", "Apply it to a Reference.")
    target = "[A-Z][A-Za-z]+"
    if invocation.arguments:
        target = _type_argument(invocation)
        if not is_resource_type(build.fhir_version, target):
            raise ViewError(
                f"FHIR {build.fhir_version} has no resource type {target!r}.", "Check the type's spelling."
            )
    reference = type_info(build.fhir_version, "Reference").elements["reference"]
    if not base.is_list:
        return Value(_key(read(build, base, reference).sql, target), "string")
    texts = read(build, base, reference)
    keys = transformed(build, texts.sql, lambda name: _key(name, target))
    return Value(present(build, keys), "string", is_list=True)


def _key(text: str, target: str) -> str:
    """A reference's text as `<center>/<id>`: relative, or absolute under the center's own base URL."""
    base = f"(rtrim({ROW}.base_url, '/') || '/')"
    relative = (
        f"CASE WHEN starts_with({text}, {base}) THEN substr({text}, length({base}) + 1) ELSE {text} END"
    )
    found = f"nullif(regexp_extract({relative}, {literal(f'^{target}/{_KEY}')}, 1), '')"
    return f"({ROW}.center_id || '/' || {found})"


def _boundary(*, is_low: bool) -> "Function":
    def function(invocation: Invocation, _: Evaluate) -> Value:
        base = single(invocation.scope.build, _base(invocation))
        return boundaries.boundary(invocation.scope.build, base, is_low=is_low)

    return function


Function = Callable[[Invocation, Evaluate], Value]
# name: the least and the most arguments it takes, and what it becomes.
_FUNCTIONS: Mapping[str, tuple[int, int, Function]] = {
    "where": (1, 1, _where),
    "exists": (0, 1, _exists),
    "empty": (0, 0, _empty),
    "not": (0, 0, _not),
    "first": (0, 0, _first),
    "count": (0, 0, _count),
    "join": (0, 1, _join),
    "iif": (2, 3, _iif),
    "ofType": (1, 1, _of_type),
    "extension": (1, 1, _extension),
    "lowBoundary": (0, 0, _boundary(is_low=True)),
    "highBoundary": (0, 0, _boundary(is_low=False)),
    "getResourceKey": (0, 0, _resource_key),
    "getReferenceKey": (0, 1, _reference_key),
}
