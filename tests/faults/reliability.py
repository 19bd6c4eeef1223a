"""The fault matrix in our words, and the page that says which test proves which row."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "reliability.md"

HEAD = """# Reliability

What can go wrong between a FHIR server and the warehouse, what cryocohort does about it, and the tests that
make it happen. Every row is a fault that was seen on real servers or in the clients of others. A test counts
only if its fault really fired; the last column says how often that was in the run that wrote this page.

Written by `pytest tests/faults --reliability docs/reliability.md`.

"""


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, and what is done about it."""

    fault: str
    answer: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A test that passed and injected a row's fault `fired` times."""

    row: int
    file: str
    test: str
    fired: int


ROWS = {
    1: Row("The next link of a search is forgotten in the middle of the walk",
           "The query is asked again from its first page, a bounded number of times; what was read stays"),
    2: Row("An error on a next link could be taken for the last page",
           "Only a searchset Bundle without a next link ends a walk; an error is an error"),
    3: Row("Resources change during the walk and one slips from a page not yet read to one already read",
           "A second pass over the ids must bring none that is new, else everything is read again"),
    4: Row("One id comes twice, in two versions", "One head per resource: the newer version"),
    5: Row("Many resources share one timestamp, in no stable order",
           "Pages are never cut by time; equal content lands once"),
    6: Row("Next links run in a circle", "No link is read twice; the walk fails"),
    7: Row("Ever new next links to empty or full pages", "Empty pages in a row and pages in all are bounded"),
    8: Row("An empty page in the middle, with a next link", "The walk goes on"),
    9: Row("A next link names an internal host, another scheme or port",
           "Refused before anything is sent; with `rewrite_links` read below the configured base"),
    10: Row("A next link is relative or lacks the type", "Resolved against the URL just read"),
    11: Row("A URL is longer than the server takes", "The query is cut into halves, or the error says what to lower"),
    12: Row("`_count` is refused, or silently lowered",
            "Halved and remembered for the type; a short page never ends a walk"),
    13: Row("The server refuses to page beyond an offset",
            "The query is cut into halves, or the run is incomplete"),
    14: Row("A search parameter is ignored",
            "Strict handling is asked for; what was not asked for is dropped and counted"),
    15: Row("The self link claims a filter that was not applied",
            "The rows are judged, not the link: a warning, and all of them are used"),
    16: Row("The self link is wrong on later pages", "Only that of the first page is looked at, for a warning"),
    17: Row("Strict handling is refused", "Asked once more without, remembered"),
    18: Row("A short date form is read as year 1", "Instants go out in full: milliseconds and Z"),
    19: Row("The server loses milliseconds or zones of `_lastUpdated`", "`ge`, and a day of overlap"),
    20: Row("The server knows one date prefix only", "`gt`, one second earlier, remembered for the type"),
    21: Row("The server knows no `_lastUpdated`", "Everything is read, with a warning; nothing is landed twice"),
    22: Row("A cache answers with what was true a minute ago", "`Cache-Control: no-cache`, and the overlap"),
    23: Row("The search index lags behind the writes",
            "The overlap asks again; what was once not found is not deleted"),
    24: Row("lastUpdated runs against the version, or clocks of nodes differ", "The overlap asks again; the newer instant wins"),
    25: Row("`Bundle.total` is missing, an estimate or wrong",
            "It never ends a walk; a lone page with fewer matches than told is incomplete"),
    26: Row("POST searches, or the next links they give, do not work", "Probed once for the center; then GET"),
    27: Row("An OperationOutcome among the entries", "Never data: an error makes the run incomplete, the rest is counted"),
    28: Row("Entries of other types, without resource or mode", "Sorted by resourceType; others are counted"),
    29: Row("Codes or settings changed between two nights",
            "Coverage belongs to a fingerprint of the query; everything is read anew"),
    30: Row("A sign-in page, or any other content, with status 200", "An error; never 'no data'"),
    31: Row("An HTML body hides the cause of a failure", "The status is told, the body is not"),
    32: Row("429 with any kind of Retry-After",
            "Seconds or a date, kept between our backoff and a cap; half the requests at once for the rest of the run"),
    33: Row("5xx, passing or lasting",
            "Repeated with backoff from an account that is bounded for the run, then the center is left alone"),
    34: Row("A body without a told length is cut", "Believed only when its JSON, or its gzip stream, is whole"),
    35: Row("Fewer bytes than announced, a missing last chunk, a reset", "The page is asked for again"),
    36: Row("A gzip stream of two members", "Both are read"),
    37: Row("A gzip bomb", "Bytes on the wire, bytes decoded and their ratio are capped while they arrive"),
    38: Row("A page larger than the cap", "Asked for in halves of `_count`, remembered"),
    39: Row("Byte order mark, invalid UTF-8, UTF-16, NUL, half a surrogate pair",
            "One mark is stripped; a resource that is no text goes to quarantine, the others land"),
    40: Row("NaN, Infinity, numbers beyond every column", "Refused as JSON, or in quarantine"),
    41: Row("The digits of a decimal", "Kept as they came, 7.10 stays 7.10"),
    42: Row("Nesting without end", "Depth is bounded"),
    43: Row("A key twice in one object", "Refused"),
    44: Row("Line separators of Unicode inside a string", "Kept; NDJSON is split at 0x0A only"),
    45: Row("One bad resource among good ones", "It goes to quarantine, the others land"),
    46: Row("Dates that are none", "Never read as another date: quarantine, or no instant"),
}  # fmt: skip


def page(proofs: Iterable[Proof]) -> str:
    """The Markdown page of what was proved."""
    counts: dict[tuple[int, str, str], int] = {}
    for proof in proofs:
        key = (proof.row, proof.file, proof.test)
        counts[key] = counts.get(key, 0) + proof.fired
    lines = ["| row | fault | what is done | tests | faults injected |", "|---:|---|---|---|---:|"]
    for row, told in sorted(ROWS.items()):
        tests = sorted((file, test) for number, file, test in counts if number == row)
        shown = "<br>".join(f"`{file}::{test}`" for file, test in tests)
        total = sum(counts[row, file, test] for file, test in tests)
        lines.append(f"| {row} | {told.fault} | {told.answer} | {shown} | {total} |")
    return HEAD + "\n".join(lines) + "\n"


def marked() -> set[tuple[int, str, str]]:
    """(row, file, test) of every test in this folder that is marked with a row."""
    return {
        (row, path.name, function.name)
        for path in FOLDER.glob("test_*.py")
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for row in _rows(function)
    }


def _rows(function: ast.FunctionDef) -> list[int]:
    return [
        argument.value
        for call in function.decorator_list
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "row"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
    ]
