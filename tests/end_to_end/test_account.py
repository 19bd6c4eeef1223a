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


def test_the_requests_told_are_those_that_the_server_has_seen(first_night: Night1) -> None:
    for center_id, server in (("a", first_night.study.servers.a), ("b", first_night.study.servers.b)):
        told = first_night.study.work(
            "SELECT sum(requests)::BIGINT AS n FROM ops.type_sync WHERE run_id = 1 AND center_id = ?",
            [center_id],
        )
        seen = [access for access in server.log if access.path.startswith("/fhir")]
        assert told == [{"n": len(seen)}]


def test_new_and_changed_are_told_apart_and_a_deletion_is_counted(study: Study) -> None:
    study.sync()
    (entry,) = study.get("b", "Observation?_count=1")["entry"][:1]
    changed = entry["resource"] | {"interpretation": [{"text": "seen again"}]}
    study.put("b", changed)
    report = study.sync()
    rows = {
        (row.center_id, row.resource_type): row for c in report.centers for row in c.account(report.run_id)
    }
    observed = rows["b", "Observation"]
    assert (observed.new, observed.changed) == (0, 1)
    assert all(row.new == 0 for row in rows.values())
