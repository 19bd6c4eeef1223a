"""Exit codes and the errors behind them, from the error tree."""

from mappings import errors

OTHERS = {
    0: "Good.",
    1: "A defect of cryocohort, with a traceback: please report it. Of `cryocohort demo`: a figure differs.",
    2: "Wrong usage of the command line.",
}


def exit_codes() -> str:
    """One table: each exit code, its causes and the errors that have it."""
    lines = [
        "# Exit codes",
        "",
        "The exit code of every command tells the cause; the message on standard error tells what happened,",
        "where, and what to do next. `cryocohort check` exits with the code of its first ✗.",
        "",
        "| Code | Cause | Error |",
        "| --- | --- | --- |",
    ]
    by_code: dict[int, list[tuple[str, str]]] = {code: [(text, "")] for code, text in OTHERS.items()}
    for kind in error_classes():
        by_code.setdefault(kind.exit_code, []).append((_cause(kind), f"`{kind.__name__}`"))
    for code, causes in sorted(by_code.items()):
        lines += [f"| {code} | {cause} | {name} |" for cause, name in causes]
    return "\n".join(lines)


def error_classes() -> list[type[errors.CryocohortError]]:
    """The classes of the error tree that are raised, in their order."""
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    return [
        kind
        for kind in kinds
        if issubclass(kind, errors.CryocohortError) and kind is not errors.CryocohortError
    ]


def _cause(kind: type[errors.CryocohortError]) -> str:
    return " ".join((kind.__doc__ or "").split())
