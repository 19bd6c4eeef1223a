"""A center whose server, files and clock a test can put out of order, to see what a check says."""

import json
from collections.abc import Callable
from pathlib import Path

from service.demo.workplace import prepare
from service.doctor import Checkup, Surroundings, check
from service.finding import Finding
from tests.ingest.examples import Resource, observation
from tests.ingest.loopback import START, Answer, Fault, FhirServer, Seen
from tests.ingest.statements import statement

GIGABYTE = 1024**3
SCT = "http://snomed.info/sct"
VIEWS = Path(__file__).parents[2] / "mappings" / "views"


def is_metadata(seen: Seen) -> bool:
    return seen.path == "/fhir/metadata"


class Clinic:
    """A configuration whose center a is a server with two patients and a statement; and a clock."""

    def __init__(self, folder: Path, server: FhirServer) -> None:
        self.server = server
        self.now = START
        self.free = 100 * GIGABYTE
        self.config = prepare(folder, {"a": server.base_url})
        self.a = self.config / "centers" / "a"
        self.data = folder / "data"
        self.tells(statement())

    def always(self, when: Callable[[Seen], bool], change: Callable[[Answer], Answer]) -> Fault:
        return self.server.add(Fault(when, change, times=10**6))

    def tells(self, told: Resource, status: int = 200) -> None:
        self.answers(Answer(status, json.dumps(told).encode()))

    def answers(self, answer: Answer) -> None:
        self.always(is_metadata, lambda _: answer)

    def set(self, key: str, value: str, file: str = "centers/a/center.toml") -> None:
        path = self.config / file
        lines = path.read_text(encoding="utf-8").splitlines()
        (place,) = [number for number, line in enumerate(lines) if line.startswith(f"{key} = ")]
        lines[place] = f"{key} = {value}"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def check(self, center_id: str | None = "a") -> Checkup:
        return check(self.config, center_id, Surroundings(lambda: self.now, lambda _: self.free))

    def found(self, subject: str) -> Finding:
        (finding,) = [each for each in self.check().findings if each.subject == subject]
        return finding


def failures(checkup: Checkup) -> list[tuple[str, int]]:
    return [(each.subject, each.exit_code) for each in checkup.findings if each.state == "failed"]


def failed_line(checkup: Checkup) -> Finding:
    return next(each for each in checkup.findings if each.state == "failed")


def searches(name: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.resource_type == name


def samples(name: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.resource_type == name and "_summary" not in seen.query


def with_entry(resource: Resource) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edited(lambda bundle: bundle["entry"].append({"resource": resource}))


def with_total(total: int) -> Callable[[Answer], Answer]:
    return lambda answer: answer.edited(lambda bundle: bundle.update(total=total))


def own_view(clinic: Clinic, table: str, change: Callable[[Resource], object]) -> None:
    """Give center a a changed view of its own."""
    view = json.loads((VIEWS / f"{table}.json").read_text(encoding="utf-8"))
    change(view)
    (clinic.a / "views").mkdir()
    (clinic.a / "views" / f"{table}.json").write_text(json.dumps(view), encoding="utf-8")


def without_status(key: str) -> Resource:
    return {name: value for name, value in observation(key, "1").items() if name != "status"}
