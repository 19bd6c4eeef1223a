"""The account of a night: what each type cost and brought, the same in the ledger as on screen."""

from tests.end_to_end.conftest import Night1, Study

SUMS = (
    "SELECT center_id, resource_type, sum(received)::BIGINT AS received, sum(landed)::BIGINT AS landed, "
    "sum(quarantined)::BIGINT AS quarantined FROM ops.step WHERE run_id = 1 GROUP BY ALL ORDER BY ALL"
)


def test_the_account_adds_up_to_what_landed(first_night: Night1) -> None:
    account = first_night.study.work("FROM ops.type_sync WHERE run_id = 1 ORDER BY center_id, resource_type")
    types = [row for row in account if row["received"] or row["asked"]]
    assert [
        (
            row["center_id"],
            row["resource_type"],
            row["received"],
            row["new"] + row["changed"],
            row["quarantined"],
        )
        for row in types
    ] == [tuple(row.values()) for row in first_night.study.work(SUMS)]
    assert {row["resource_type"] for row in types if row["center_id"] == "b"} == {
        "AdverseEvent", "BodyStructure", "Condition", "Observation", "Patient", "Procedure",
    }  # fmt: skip
    assert all(row["requests"] and row["bytes"] and row["seconds"] > 0 and row["asked"] for row in types)


def test_the_requests_told_are_those_that_the_server_has_seen(study: Study) -> None:
    report = study.sync()
    told = {center.center_id: sum(each.requests for each in center.account(1)) for center in report.centers}
    assert told == {"a": len(study.servers.a.log), "b": len(study.servers.b.log)}


def test_new_and_changed_are_told_apart(study: Study) -> None:
    study.sync()
    known = (
        "SELECT min(resource_id) AS id FROM ops.head WHERE center_id = 'b' AND resource_type = 'Observation'"
    )
    (row,) = study.work(known)
    study.put("b", study.get("b", f"Observation/{row['id']}") | {"status": "amended"})
    report = study.sync()
    rows = [row for center in report.centers for row in center.account(report.run_id)]
    assert sum(row.new for row in rows) == 0
    assert [(row.center_id, row.resource_type) for row in rows if row.changed] == [("b", "Observation")]
