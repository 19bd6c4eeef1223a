"""Value rules: which numbers count as a score, in which units, and what coded answers are worth.

- `values/measures.csv`: the unit and the range of each measure (a concept of the code set `pain_score`).
- `values/units.csv`: each unit a measure is sent in, as its code or its spelled-out text, and the factor that
  makes it the measure's unit. No factor: a value with this text is another measure, whatever its code says.
  `{}` stands for every UCUM annotation, such as `{score}`; an empty text for no unit at all.
- `values/answers.csv`: the score of an answer under a question. The same answer code has other scores, or
  none, under other questions.

Each row names its source. A unit or an answer that stands in no row gives no score: nothing is guessed.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from mappings.csvfile import need, one_of, read_rows, wrong_cell
from mappings.terminology_codes import CanonicalCode, SystemCode, load_codes

MEASURE_COLUMNS = ("measure", "unit", "low", "high", "source", "note")
UNIT_COLUMNS = ("measure", "written", "unit", "factor", "source", "note")
ANSWER_COLUMNS = (
    *("measure", "question_system", "question_code"),
    *("answer_system", "answer_code", "score", "source", "note"),
)
ANNOTATION = "{}"

_VALUES = files("mappings") / "values"
_WRITTEN = frozenset({"code", "text"})


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: the unit its scores are in and the lowest and highest score there is."""

    measure: str
    unit: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a measure, in lower case; `factor` makes it the measure's unit, None forbids it."""

    measure: str
    written: str
    unit: str
    factor: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer is worth under a question; `concept` is the answer's in the code set `pain_answer`."""

    measure: str
    question_system: str
    question_code: str
    concept: str
    score: float


@dataclass(frozen=True, slots=True)
class ValueRules:
    """All value rules, in the order of their files."""

    measures: tuple[Measure, ...]
    units: tuple[Unit, ...]
    answers: tuple[Answer, ...]


def load_value_rules(
    folder: Traversable = _VALUES, canonical: Iterable[CanonicalCode] | None = None
) -> ValueRules:
    """The value rules of a folder, checked against the canonical codes (the shipped ones unless given).

    Raises TerminologyError naming file, row and column: unknown columns, empty cells, a row without source,
    something that is no number, a measure, question or answer nobody knows, the same unit or answer twice.
    """
    codes = load_codes() if canonical is None else tuple(canonical)
    measures = _measures(folder / "measures.csv", codes)
    known = {measure.measure for measure in measures}
    return ValueRules(
        measures, _units(folder / "units.csv", known), _answers(folder / "answers.csv", known, codes)
    )


def _measures(path: Traversable, codes: Iterable[CanonicalCode]) -> tuple[Measure, ...]:
    scales = {code.concept for code in codes if code.code_set == "pain_score"}
    found: list[tuple[str, Measure]] = []
    for place, row in read_rows(path, MEASURE_COLUMNS):
        need(place, row, ("measure", "unit", "low", "high", "source"))
        one_of(place, "measure", row["measure"], scales)
        measure = Measure(
            row["measure"], row["unit"], _number(place, row, "low"), _number(place, row, "high")
        )
        if measure.low >= measure.high:
            raise wrong_cell(place, "high", "it is not above low", "Correct the range.")
        found.append((place, measure))
    _require_once(((place, measure.measure) for place, measure in found), "measure")
    return tuple(measure for _, measure in found)


def _units(path: Traversable, measures: set[str]) -> tuple[Unit, ...]:
    found: list[tuple[str, Unit]] = []
    for place, row in read_rows(path, UNIT_COLUMNS):
        need(place, row, ("measure", "written", "source"))
        one_of(place, "measure", row["measure"], measures)
        one_of(place, "written", row["written"], _WRITTEN)
        _check_unit(place, row)
        factor = _number(place, row, "factor") if row["factor"] else None
        found.append((place, Unit(row["measure"], row["written"], row["unit"], factor)))
    _require_once(((place, (unit.measure, unit.written, unit.unit)) for place, unit in found), "unit")
    return tuple(unit for _, unit in found)


def _check_unit(place: str, row: Mapping[str, str]) -> None:
    unit, is_code = row["unit"], row["written"] == "code"
    if unit != unit.lower():
        raise wrong_cell(place, "unit", "units are compared in lower case", f"Write it as {unit.lower()}.")
    if unit.startswith("{") and unit != ANNOTATION:
        raise wrong_cell(
            place, "unit", "every UCUM annotation counts alike", f"Write {ANNOTATION}, for all of them."
        )
    if is_code and not unit:
        raise wrong_cell(place, "unit", "the cell is empty", "Write the code, or text for no unit at all.")
    if is_code and not row["factor"]:
        raise wrong_cell(place, "factor", "a code without a factor counts nothing anyway", "Remove the row.")


def _answers(path: Traversable, measures: set[str], codes: Iterable[CanonicalCode]) -> tuple[Answer, ...]:
    questions = _by_code(codes, "pain_score")
    answers = _by_code(codes, "pain_answer")
    found: list[tuple[str, Answer]] = []
    for place, row in read_rows(path, ANSWER_COLUMNS):
        need(place, row, ANSWER_COLUMNS[:-1])
        one_of(place, "measure", row["measure"], measures)
        question = _known(place, row, "question", questions)
        if question != row["measure"]:
            raise wrong_cell(
                place, "question_code", f"this question asks for {question}", "Correct the measure."
            )
        concept = _known(place, row, "answer", answers)
        score = _number(place, row, "score")
        found.append((place, Answer(question, row["question_system"], row["question_code"], concept, score)))
    keys = ((place, (one.question_system, one.question_code, one.concept)) for place, one in found)
    _require_once(keys, "answer_code")
    return tuple(answer for _, answer in found)


def _by_code(codes: Iterable[CanonicalCode], code_set: str) -> dict[SystemCode, str]:
    return {(code.system, code.code): code.concept for code in codes if code.code_set == code_set}


def _known(place: str, row: Mapping[str, str], part: str, codes: Mapping[SystemCode, str]) -> str:
    """The concept of the row's question or answer."""
    concept = codes.get((row[f"{part}_system"], row[f"{part}_code"]))
    if concept is None:
        raise wrong_cell(
            place,
            f"{part}_code",
            f"{row[f'{part}_code']} is in no canonical code set for a {part}",
            "Add it to mappings/codes with its source first.",
        )
    return concept


def _number(place: str, row: Mapping[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise wrong_cell(place, column, "this is no number", "Write it with a decimal point.")
    return number


def _require_once(keys: Iterable[tuple[str, object]], column: str) -> None:
    places: dict[object, str] = {}
    for place, key in keys:
        known = places.setdefault(key, place)
        if known != place:
            raise wrong_cell(place, column, f"the same as in {known}", "Remove one of them.")
