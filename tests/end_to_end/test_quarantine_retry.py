"""`quarantine retry` as an operator uses it: real processes against the demo's servers."""

import json

import pytest

from service.run import open_warehouse
from tests.end_to_end.conftest import Study
from tests.end_to_end.test_cli import cryocohort
from warehouse.faults import Which, gate_refused


def retry(study: Study, *options: str) -> tuple[int, str, str]:
    ended = cryocohort("quarantine", "retry", *options, "--config", str(study.config))
    return ended.returncode, ended.stdout, ended.stderr


def refused(study: Study, center_id: str) -> list[tuple[str, str]]:
    with open_warehouse(study.settings) as warehouse:
        found = gate_refused(warehouse, Which(center_id))
    return [(name, resource_id) for (_, name), ids in found.items() for resource_id in ids]


def mend(study: Study, center_id: str) -> None:
    """The center writes what is refused anew, from a valid score of its own."""
    faulty = refused(study, center_id)
    assert faulty
    sound = study.work(
        "SELECT resource_id FROM ops.head WHERE center_id = ? AND resource_type = 'Observation' LIMIT 1",
        [center_id],
    )[0]["resource_id"]
    for name, resource_id in faulty:
        study.put(center_id, study.get(center_id, f"{name}/{sound}") | {"id": resource_id})


def test_a_retry_before_any_sync_and_of_nobody_says_what_to_do(study: Study) -> None:
    code, _, told = retry(study)
    assert (code, "run `cryocohort sync`" in told) == (14, True)
    code, _, told = retry(study, "--center", "nobody")
    assert (code, "Name one of: a, b" in told) == (10, True)


def test_what_the_center_mended_is_accepted_and_the_exit_code_tells_what_stays(study: Study) -> None:
    study.sync()
    ids = {resource_id for center_id in ("a", "b") for _, resource_id in refused(study, center_id)}
    code, shown, told = retry(study)
    assert code == 13
    assert "next step: tell the center what `cryocohort quarantine list` says of them." in told
    assert not any(resource_id in shown + told for resource_id in ids)
    mend(study, "a")
    code, shown, told = retry(study, "--center", "a", "--type", "Observation")
    assert (code, told.strip().count("cryocohort:")) == (0, 0)
    assert "cryocohort refresh" in shown
    assert refused(study, "a") == []
    code, shown, told = retry(study, "--center", "a")
    assert (code, "nothing to ask for" in shown) == (0, True)
    # A night of its own in the ledger and the audit log, and none in the centers' freshness.
    runs = study.work("SELECT run_id, status FROM ops.run WHERE kind = 'retry' ORDER BY run_id")
    assert [row["status"] for row in runs] == ["complete", "complete"]
    assert study.work("SELECT DISTINCT run_id FROM ops.center_sync") == [{"run_id": 1}]
    audited = cryocohort("audit", "show", "--config", str(study.config)).stdout
    assert f"retry {runs[-1]['run_id']}" in audited
    assert json.loads(cryocohort("status", "--json", "--config", str(study.config)).stdout)["runs"]


def test_a_retry_waits_for_no_run_that_holds_the_warehouse(study: Study) -> None:
    with open_warehouse(study.settings):
        code, shown, told = retry(study)
    assert (code, shown) == (16, "")
    assert "next step:" in told


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--rule", "view"), "mend the view"), (("--center", "a"), "it judges everything in the folder anew")],
    ids=["a view's", "a folder's"],
)
def test_where_nobody_can_be_asked_the_message_says_what_helps(
    study: Study, options: tuple[str, ...], said: str
) -> None:
    with open_warehouse(study.settings):
        """There is a warehouse."""
    path = study.config / "centers" / "a" / "center.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('mode = "search"', 'mode = "ndjson"'), encoding="utf-8")
    code, _, told = retry(study, *options)
    assert (code, said in told) == (10, True), told
