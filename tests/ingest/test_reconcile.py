"""Reconciliation over real HTTP into a real warehouse: what is gone leaves, and nothing else ever does."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ingest.client import FhirClient
from ingest.context import ReconcileRules
from ingest.gate_pool import GatePool
from ingest.sync import CenterReport, SyncContext, sync_center
from mappings.errors import ForbiddenError, ServerError, SignInError
from tests.ingest.examples import CODE_MAP, QUICK, center, chart, concept, observation, patient, procedure
from tests.ingest.loopback import Answer, Fault, FhirServer, Seen, outcome, serving
from warehouse.connection import Warehouse
from warehouse.land import coverage, members
from warehouse.runs import start_run

GATE = GatePool(1, in_place=1_000_000)
PATIENTS = ("p1", "p2", "p3")
FORCED = ReconcileRules(is_forced=True)
ACCEPTED = ReconcileRules(accepted=frozenset({"a"}))
Key = tuple[str, str]


class Silent:
    def landed(self, event: object) -> None:
        """Nobody listens."""


@dataclass
class Place:
    """A server, a warehouse and the nights between."""

    server: FhirServer
    warehouse: Warehouse
    code_map: list[Any] = field(default_factory=lambda: list(CODE_MAP))
    is_stopping: Callable[[], bool] = lambda: False

    def sync(self, rules: ReconcileRules = FORCED, **changes: Any) -> CenterReport:
        now = self.server.clock + dt.timedelta(seconds=5)
        run_id = start_run(self.warehouse, kind="sync", now=now, version="0", config_fingerprint="x")
        told = center(self.server.base_url, patient_batch=2, **changes)
        context = SyncContext(run_id, self.code_map, lambda: now, Silent(), self.is_stopping, GATE, rules)
        self.server.seen.clear()
        with FhirClient(told, QUICK) as client:
            return sync_center(told, client, self.warehouse, context)

    def night(self, days: int = 2) -> None:
        self.server.clock += dt.timedelta(days=days)

    def heads(self) -> set[Key]:
        rows = self.warehouse.rows("SELECT resource_type, resource_id FROM ops.head")
        return {(row["resource_type"], row["resource_id"]) for row in rows}

    def departures(self) -> dict[Key, str]:
        rows = self.warehouse.rows(
            "SELECT resource_type, resource_id, reason FROM ops.departure WHERE back_run_id IS NULL"
        )
        return {(row["resource_type"], row["resource_id"]): row["reason"] for row in rows}

    def passes(self) -> list[Seen]:
        """The searches of the reconciliation: the only ones that ask for ids."""
        return [
            seen for seen in self.server.seen if seen.query.get("_elements", [""])[0].split(",")[0] == "id"
        ]


def keys(*patients: str) -> set[Key]:
    return {(each["resourceType"], each["id"]) for key in patients for each in chart(key)}


ALL = keys(*PATIENTS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    resources = [resource for key in PATIENTS for resource in chart(key)]
    with serving(FhirServer(resources)) as server, Warehouse.open(tmp_path / "warehouse") as warehouse:
        found = Place(server, warehouse)
        assert found.sync(ReconcileRules()).status == "complete"
        assert found.heads() == ALL
        yield found


def hidden(*ids: str) -> Callable[[Answer], Answer]:
    """A search index that does not know some resources."""

    def change(answer: Answer) -> Answer:
        return answer.edited(
            lambda bundle: bundle.update(
                entry=[each for each in bundle["entry"] if each["resource"]["id"] not in ids]
            )
        )

    return change


def of_pass(resource_type: str) -> Callable[[Seen], bool]:
    return lambda seen: (
        seen.resource_type == resource_type
        and seen.read_id is None
        and seen.query.get("_elements", [""])[0].startswith("id")
    )


def read_of(resource_type: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.resource_type == resource_type and seen.read_id is not None


def more_observations(place: Place, count: int) -> set[Key]:
    """So many that one patient's are less than all of them."""
    for number in range(count):
        place.server.put(observation(f"more-{number:03d}", "p1"))
    place.sync(ReconcileRules())
    added = {("Observation", f"more-{number:03d}") for number in range(count)}
    assert place.heads() == ALL | added
    return added


@pytest.mark.row(59)
@pytest.mark.parametrize("resource_type", ["Observation", "Condition", "AdverseEvent", "BodyStructure"])
def test_a_deleted_resource_leaves_with_reason_time_and_content(place: Place, resource_type: str) -> None:
    (key,) = (each for each in keys("p2") if each[0] == resource_type)
    before = place.warehouse.rows("SELECT content_hash, path FROM ops.head WHERE resource_id = ?", [key[1]])
    place.night()
    place.server.remove(*key)
    assert place.sync(ReconcileRules()).status == "complete"
    assert place.heads() == ALL  # a search does not tell
    report = place.sync()
    assert report.status == "complete"
    assert report.departed == {resource_type: 1}
    assert place.heads() == ALL - {key}
    assert place.departures() == {key: "deleted"}
    row = place.warehouse.rows("SELECT * FROM ops.departure")[0]
    assert row["noticed_at"] == place.server.clock + dt.timedelta(seconds=5)
    assert [{"content_hash": row["content_hash"], "path": row["path"]}] == before
    assert (place.warehouse.folder / row["path"]).is_file()
    assert place.server.reads() == [f"{resource_type}/{key[1]}"]


@pytest.mark.row(59)
def test_an_id_the_server_never_had_is_deleted_by_404(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    place.server._removed.clear()
    place.sync()
    assert place.departures() == {("Observation", "pain-p1"): "deleted"}


def test_nothing_missing_asks_for_ids_once_and_reads_nothing(place: Place) -> None:
    report = place.sync()
    assert (report.status, report.warnings, report.departed) == ("complete", 0, {})
    assert place.server.reads() == []
    assert len(place.passes()) == 1 + 6 * 2  # the cohort, and two batches of patients a type
    assert all("_lastUpdated" not in seen.query for seen in place.passes())
    rows = place.warehouse.rows(
        "SELECT resource_type, heads, seen, departed, lagging FROM ops.reconciliation"
    )
    assert len(rows) == 6
    assert {(row["heads"], row["seen"], row["departed"], row["lagging"]) for row in rows} == {(3, 3, 0, 0)}


def test_a_pass_lands_nothing(place: Place) -> None:
    before = place.warehouse.rows("SELECT * FROM ops.head ORDER BY ALL")
    report = place.sync()
    assert place.warehouse.rows("SELECT * FROM ops.head ORDER BY ALL") == before
    assert place.sync(ReconcileRules()).counts == report.counts


def test_it_is_due_every_so_many_days_counted_from_the_first_landing(place: Place) -> None:
    def is_done() -> bool:
        assert place.sync(ReconcileRules(every=dt.timedelta(days=7))).status == "complete"
        return bool(place.passes())

    assert not is_done()
    done = []
    for _ in range(14):
        place.night(1)
        done.append(is_done())
    assert [number for number, each in enumerate(done, 1) if each] == [7, 14]


def test_after_an_incomplete_sync_nothing_is_compared(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    fault = place.server.add(
        Fault(lambda seen: seen.resource_type == "AdverseEvent", lambda _: outcome(403, "forbidden"), 99)
    )
    assert place.sync().status == "incomplete"
    assert fault.fired > 0
    assert place.passes() == []
    assert place.heads() == ALL


@pytest.mark.row(60)
def test_a_pass_that_breaks_off_deletes_nothing(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    fault = place.server.add(
        Fault(
            lambda seen: seen.is_next and seen.resource_type == "Observation",
            lambda _: outcome(500, "exception"),
            99,
        )
    )
    place.server.put(observation("pain-2", "p2"))
    report = place.sync(page_size=1)
    assert fault.fired > 0
    assert report.status == "incomplete"
    assert ("Observation", "pain-p1") in place.heads()


@pytest.mark.row(60)
@pytest.mark.parametrize("entry", ["outcome", "empty"])
def test_a_pass_that_admits_a_loss_deletes_nothing_of_its_type(place: Place, entry: str) -> None:
    issue = {"severity": "error", "code": "suppressed"}
    lost = {"outcome": {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}}, "empty": {}}
    place.server.remove("Observation", "pain-p1")
    place.server.remove("Condition", "met-p1")
    fault = place.server.add(
        Fault(of_pass("Observation"), lambda a: a.edited(lambda bundle: bundle["entry"].append(lost[entry])))
    )
    report = place.sync()
    assert fault.fired == 1
    assert report.status == "incomplete"
    assert place.departures() == {("Condition", "met-p1"): "deleted"}
    assert ("Observation", "pain-p1") in place.heads()


@pytest.mark.row(60)
def test_an_empty_answer_deletes_nothing_even_when_reads_say_404(place: Place) -> None:
    for key in PATIENTS:
        place.server.remove("Observation", f"pain-{key}")
    report = place.sync()
    assert report.status == "incomplete"
    assert "3 of 3 Observation" in report.reasons[0]
    assert "--accept-deletions a" in report.reasons[0]
    assert place.heads() == ALL
    assert place.server.reads() == []
    assert place.warehouse.rows("FROM ops.reconciliation WHERE resource_type = 'Observation'") == []


@pytest.mark.row(60)
def test_an_emptied_server_deletes_nothing(place: Place) -> None:
    for resource_type, resource_id in ALL:
        place.server.remove(resource_type, resource_id)
    report = place.sync()
    assert report.status == "incomplete"
    assert place.heads() == ALL
    assert members(place.warehouse, "a") == list(PATIENTS)


@pytest.mark.row(60)
def test_more_deletions_than_the_limit_wait_for_an_operator(place: Place) -> None:
    added = more_observations(place, 40)
    gone = sorted(added)[:21]
    for key in gone:
        place.server.remove(*key)
    for _ in range(2):  # it stays due
        report = place.sync()
        assert report.status == "incomplete"
        assert "21 of 43 Observation" in report.reasons[0]
        assert place.heads() == ALL | added
    accepted = place.sync(ACCEPTED)
    assert accepted.status == "complete"
    assert accepted.departed == {"Observation": 21}
    assert place.heads() == (ALL | added) - set(gone)
    (row,) = place.warehouse.rows("FROM ops.reconciliation WHERE resource_type = 'Observation'")
    assert (row["is_limit_lifted"], row["departed"]) == (True, 21)
    assert place.sync().status == "complete"


@pytest.mark.row(60)
def test_twenty_deletions_are_always_allowed(place: Place) -> None:
    added = more_observations(place, 40)
    for key in sorted(added)[:20]:
        place.server.remove(*key)
    assert place.sync().departed == {"Observation": 20}


@pytest.mark.row(60)
def test_accepted_deletions_are_still_confirmed_one_by_one(place: Place) -> None:
    fault = place.server.add(Fault(of_pass("Observation"), hidden("pain-p1", "pain-p2", "pain-p3"), 99))
    report = place.sync(ACCEPTED)
    assert fault.fired > 0
    assert report.status == "complete"
    assert place.heads() == ALL


@pytest.mark.row(60)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SignInError),
        (403, ForbiddenError),
        (400, ServerError),
        (302, ServerError),
        (503, ServerError),
    ],
)
def test_a_read_that_says_neither_yes_nor_no_deletes_nothing(
    place: Place, status: int, kind: type[Exception]
) -> None:
    place.server.remove("Observation", "pain-p1")
    fault = place.server.add(Fault(read_of("Observation"), lambda _: outcome(status, "forbidden"), 99))
    report = place.sync()
    assert fault.fired > 0
    assert report.status == "incomplete"
    assert isinstance(report.error, kind)
    assert place.heads() == ALL


@pytest.mark.row(60)
@pytest.mark.parametrize("body", [b"<html>Not found</html>", b"", b'{"message": "no route"}'])
def test_a_gateways_404_is_not_the_servers(place: Place, body: bytes) -> None:
    place.server.remove("Observation", "pain-p1")
    fault = place.server.add(Fault(read_of("Observation"), lambda _: Answer(404, body)))
    assert place.sync().status == "incomplete"
    assert fault.fired == 1
    assert place.heads() == ALL


@pytest.mark.row(60)
def test_another_resource_in_the_answer_to_a_read_is_no_evidence(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    other = place.server.held("Observation", "pain-p2")
    fault = place.server.add(Fault(read_of("Observation"), lambda _: Answer(200, json.dumps(other).encode())))
    assert place.sync().status == "incomplete"
    assert fault.fired == 1
    assert place.heads() == ALL


def test_what_the_first_pass_misses_the_second_may_see(place: Place) -> None:
    fault = place.server.add(Fault(of_pass("Observation"), hidden("pain-p1")))
    report = place.sync()
    assert fault.fired == 1
    assert (report.status, report.warnings) == ("complete", 0)
    assert place.server.reads() == []
    assert place.heads() == ALL


@pytest.mark.row(59)
def test_what_only_the_index_lost_stays_and_its_newer_version_lands(place: Place) -> None:
    place.night()
    place.server.put(observation("pain-p1", "p1", 2))
    fault = place.server.add(
        Fault(lambda seen: seen.resource_type == "Observation" and not seen.read_id, hidden("pain-p1"), 99)
    )
    report = place.sync()
    assert fault.fired > 0
    assert (report.status, report.warnings, report.departed) == ("complete", 1, {})
    assert place.heads() == ALL
    (row,) = place.warehouse.rows("SELECT version_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert row["version_id"] == "2"
    (noted,) = place.warehouse.rows("FROM ops.reconciliation WHERE resource_type = 'Observation'")
    assert (noted["lagging"], noted["departed"]) == (1, 0)


def test_a_broken_index_ends_in_few_reads(place: Place) -> None:
    added = more_observations(place, 40)
    lost = [key[1] for key in added]
    fault = place.server.add(Fault(of_pass("Observation"), hidden(*lost), 99))
    report = place.sync()
    assert fault.fired > 0
    assert report.status == "incomplete"
    assert "rebuild" in str(report.error)
    assert len(place.server.reads()) == 21
    assert place.heads() == ALL | added


@pytest.mark.row(65)
def test_a_recoded_resource_leaves_and_nothing_of_its_new_content_is_stored(place: Place) -> None:
    place.night()
    weight = observation("pain-p1", "p1") | {"code": concept("http://loinc.org", "29463-7-CANARY")}
    place.server.put(weight)
    report = place.sync()
    assert report.status == "complete"
    assert place.departures() == {("Observation", "pain-p1"): "recoded"}
    files = [path.read_bytes() for path in (place.warehouse.folder / "raw").rglob("*.parquet")]
    assert not any(b"CANARY" in content for content in files)


@pytest.mark.row(65)
def test_a_resource_given_to_a_patient_outside_the_cohort_leaves(place: Place) -> None:
    place.night()
    place.server.put(observation("pain-p1", "p77"))
    assert place.sync().status == "complete"
    assert place.departures() == {("Observation", "pain-p1"): "moved"}


@pytest.mark.row(65)
def test_a_resource_given_to_another_member_stays(place: Place) -> None:
    place.night()
    place.server.put(observation("pain-p1", "p2"))
    report = place.sync()
    assert report.status == "complete"
    assert report.counts["Observation"].landed == 1
    assert place.heads() == ALL
    assert place.departures() == {}


@pytest.mark.row(65)
def test_entered_in_error_stays_and_back_and_forth_is_no_departure(place: Place) -> None:
    for status in ("entered-in-error", "final", "entered-in-error"):
        place.night()
        place.server.put(observation("pain-p1", "p1") | {"status": status})
        report = place.sync()
        assert report.counts["Observation"].landed == 1
    assert place.heads() == ALL
    assert place.departures() == {}


@pytest.mark.row(65)
def test_what_came_back_to_the_study_lands_again(place: Place) -> None:
    place.server.put(observation("pain-p1", "p77"))
    place.sync()
    assert ("Observation", "pain-p1") not in place.heads()
    place.night()
    place.server.put(observation("pain-p1", "p1"))
    place.sync(ReconcileRules())
    assert place.heads() == ALL
    assert place.departures() == {}
    (row,) = place.warehouse.rows("SELECT run_id, back_run_id FROM ops.departure")
    assert row["back_run_id"] > row["run_id"]


@pytest.mark.row(61)
def test_deleted_then_recreated_with_versions_from_one_is_taken(place: Place) -> None:
    for _ in range(3):
        place.server.put(observation("pain-p1", "p1"))
    place.sync(ReconcileRules())
    place.server.remove("Observation", "pain-p1")
    place.sync()
    assert place.departures() == {("Observation", "pain-p1"): "deleted"}
    place.night()
    place.server.put(observation("pain-p1", "p1", 1))
    assert place.sync(ReconcileRules()).counts["Observation"].landed == 1
    assert place.heads() == ALL
    (row,) = place.warehouse.rows("SELECT version_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert row["version_id"] == "1"


@pytest.mark.row(61)
def test_what_is_restored_with_its_old_date_is_read_although_no_search_for_changes_finds_it(
    place: Place,
) -> None:
    old = place.server.remove("Observation", "pain-p1")
    place.night()
    place.sync()
    place.night()
    place.server.restore(old)
    place.sync(ReconcileRules())
    assert ("Observation", "pain-p1") not in place.heads()
    report = place.sync()
    assert report.status == "complete"
    assert place.heads() == ALL
    assert place.departures() == {}


@pytest.mark.row(61)
def test_a_version_that_went_back_on_the_server_is_taken_and_reported(place: Place) -> None:
    backup = place.server.held("Observation", "pain-p1")
    place.night()
    place.server.put(observation("pain-p1", "p1", 2))
    place.sync(ReconcileRules())
    place.night()
    place.server.restore(backup)
    assert place.sync(ReconcileRules()).counts["Observation"].landed == 0
    report = place.sync()
    assert report.status == "complete"
    assert report.warnings == 1
    assert report.counts["Observation"].landed == 1
    (row,) = place.warehouse.rows("SELECT version_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert row["version_id"] == "1"


def test_a_patient_without_any_procedure_of_the_cohort_leaves_with_everything(place: Place) -> None:
    for number in range(30):  # more than the limit: whoever leaves takes everything along
        place.server.put(observation(f"more-{number}", "p2"))
    place.sync(ReconcileRules())
    place.night()
    place.server.remove("Procedure", "cryo-p2")
    report = place.sync()
    assert report.status == "complete"
    assert members(place.warehouse, "a") == ["p1", "p3"]
    assert place.heads() == keys("p1", "p3")
    reasons = place.departures()
    assert reasons.pop(("Procedure", "cryo-p2")) == "deleted"
    assert set(reasons.values()) == {"moved"}
    assert coverage(place.warehouse, "a", "Observation").keys() == {"p1", "p3"}
    assert "Patient/p2" not in place.server.reads()
    place.night()
    place.sync(ReconcileRules())
    assert not any("p2" in str(seen.query) for seen in place.server.seen)


def test_a_patient_who_comes_back_is_read_with_the_whole_history(place: Place) -> None:
    cryo = place.server.remove("Procedure", "cryo-p2")
    place.sync()
    assert place.heads() == keys("p1", "p3")
    place.night(5)
    place.server.put({name: value for name, value in cryo.items() if name != "meta"})
    place.sync(ReconcileRules())
    assert place.heads() == ALL
    assert members(place.warehouse, "a") == list(PATIENTS)
    assert place.departures() == {}


def test_a_member_whose_procedure_only_the_index_lost_stays_with_everything(place: Place) -> None:
    fault = place.server.add(Fault(of_pass("Procedure"), hidden("cryo-p2"), 99))
    report = place.sync()
    assert fault.fired >= 2
    assert report.status == "complete"
    assert place.heads() == ALL
    assert members(place.warehouse, "a") == list(PATIENTS)


def test_a_cohort_that_vanishes_whole_is_held_back(place: Place) -> None:
    for key in PATIENTS:
        place.server.put(procedure(f"cryo-{key}", key, code="CEMENT"))
    place.night(5)
    report = place.sync()
    assert report.status == "incomplete"
    assert "3 of 3 cohort Patient" in " ".join(report.reasons)
    assert members(place.warehouse, "a") == list(PATIENTS)
    assert place.heads() == ALL


def test_a_deleted_patient_is_asked_for_by_post_twice_and_only_then_by_its_id(place: Place) -> None:
    place.server.remove("Patient", "p2")
    report = place.sync()
    assert report.status == "complete"
    assert place.departures() == {("Patient", "p2"): "deleted"}
    assert place.server.reads() == ["Patient/p2"]
    searches = [seen for seen in place.passes() if seen.resource_type == "Patient"]
    assert [seen.method for seen in searches] == ["POST"] * 4
    assert members(place.warehouse, "a") == list(PATIENTS)  # its ablation still is there


def test_a_faulty_resource_that_is_gone_is_no_open_fault_any_more(place: Place) -> None:
    for key in ("bad-1", "bad-2"):
        bad = observation(key, "p1")
        del bad["status"]
        place.server.put(bad)
    nameless = observation("nameless", "p1")

    def without_id(answer: Answer) -> Answer:
        extra = {name: value for name, value in nameless.items() if name != "id"}
        return answer.edited(lambda bundle: bundle["entry"].append({"resource": extra}))

    fault = place.server.add(Fault(lambda seen: seen.resource_type == "Observation", without_id))
    place.sync(ReconcileRules())
    assert fault.fired == 1

    def is_open() -> set[str]:
        rows = place.warehouse.rows("SELECT DISTINCT resource_id FROM ops.quarantine WHERE is_open")
        return {row["resource_id"] for row in rows}

    assert is_open() == {"", "bad-1", "bad-2"}
    place.night(5)
    place.server.remove("Observation", "bad-1")
    seen_again = place.server.add(Fault(of_pass("Observation"), without_id, 99))
    place.sync()
    assert seen_again.fired > 0
    assert is_open() == {"", "bad-2"}
    place.server.faults.clear()
    place.sync()
    assert is_open() == {"bad-2"}
    assert place.heads() == ALL


def test_a_server_that_ignores_elements_and_filters_keeps_nobody_elses_resources(place: Place) -> None:
    place.night()
    place.server.put(observation("pain-p1", "p77"))
    stranger = place.server.held("Observation", "pain-p1")

    def everything(answer: Answer) -> Answer:
        return answer.edited(lambda bundle: bundle["entry"].append({"resource": stranger}))

    fault = place.server.add(Fault(of_pass("Observation"), everything, 99))
    place.sync()
    assert fault.fired > 0
    assert place.departures() == {("Observation", "pain-p1"): "moved"}


def test_a_server_that_sends_ids_alone_is_believed(place: Place) -> None:
    def bare(answer: Answer) -> Answer:
        def change(bundle: dict[str, Any]) -> None:
            for entry in bundle["entry"]:
                resource = entry["resource"]
                if resource["resourceType"] != "Procedure":
                    entry["resource"] = {name: resource[name] for name in ("resourceType", "id")}

        return answer.edited(change)

    fault = place.server.add(Fault(lambda seen: "_elements" in seen.query, bare, 99))
    report = place.sync()
    assert fault.fired > 0
    assert (report.status, report.warnings) == ("complete", 0)
    assert place.heads() == ALL
    assert place.server.reads() == []


def test_a_code_that_no_longer_means_anything_takes_its_resources_along(place: Place) -> None:
    place.server.put(observation("extra", "p1") | {"code": concept("http://loinc.org", "97509-4")})
    place.sync(ReconcileRules())
    assert ("Observation", "extra") in place.heads()
    place.code_map = [code for code in place.code_map if code.code_set != "disease_status"]
    place.sync()
    assert place.departures() == {("Observation", "extra"): "recoded"}
    place.code_map = list(CODE_MAP)
    place.sync(ReconcileRules())
    assert place.heads() == ALL | {("Observation", "extra")}


def test_a_stop_between_queries_leaves_everything_as_it_was(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    place.is_stopping = lambda: bool(place.passes())
    report = place.sync()
    assert report.status == "incomplete"
    assert "asked to stop" in " ".join(report.reasons)
    assert place.heads() == ALL


@pytest.mark.row(67)
def test_equal_ids_at_another_center_stay(place: Place) -> None:
    place.warehouse.rows("SELECT 1")
    with place.warehouse.transaction() as transaction:
        transaction.execute("INSERT INTO ops.head BY NAME SELECT * REPLACE ('b' AS center_id) FROM ops.head")
    place.server.remove("Observation", "pain-p1")
    place.sync()
    rows = place.warehouse.rows("SELECT center_id FROM ops.head WHERE resource_id = 'pain-p1'")
    assert [row["center_id"] for row in rows] == ["b"]


def test_no_message_names_a_resource_or_a_patient(place: Place) -> None:
    place.server.remove("Observation", "pain-p1")
    fault = place.server.add(Fault(read_of("Observation"), lambda _: outcome(403, "forbidden"), 99))
    report = place.sync()
    assert fault.fired == 1
    assert "pain-p1" not in f"{report.reasons} {report.error}"


def test_a_patient_is_never_read_by_id_while_a_search_finds_it(place: Place) -> None:
    place.server.put(patient("p1"))
    place.sync()
    assert place.server.reads() == []
