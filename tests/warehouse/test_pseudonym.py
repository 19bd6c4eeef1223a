"""Pseudonymization: which columns leave, as what, and what a pseudonym depends on."""

import hashlib
import hmac

import pytest
from build_examples import KEYS

from mappings.errors import ConfigError, SqlFileError
from warehouse.pseudonym import Column, KeyOfCenter, key_fingerprint, pseudonyms, published_columns

COMPANIONS = [Column("center_id", "VARCHAR", ""), Column("patient_key", "VARCHAR", "")]


def treated(name: str, sql_type: str = "VARCHAR") -> list[tuple[str, str]]:
    columns = published_columns("core.x", [*COMPANIONS, Column(name, sql_type, "Meaning.")])
    return [(column.name, column.treatment) for column in columns[2:]]


@pytest.mark.parametrize(
    ("name", "sql_type", "becomes"),
    [
        ("score", "DOUBLE", [("score", "copy")]),
        ("run_id", "INTEGER", []),
        ("age_at_index_years", "INTEGER", [("age_at_index_years", "age")]),
        ("session_key", "VARCHAR", [("session_key", "pseudonym")]),
        ("index_date", "DATE", [("index_month", "month")]),
        ("death_date", "DATE", [("death_day", "day")]),
        ("birth_date", "DATE", []),
        ("scored_at", "TIMESTAMP", []),
        ("scored_at", "TIMESTAMP WITH TIME ZONE", []),
    ],
)
def test_names_decide_what_becomes_of_a_column(
    name: str, sql_type: str, becomes: list[tuple[str, str]]
) -> None:
    assert treated(name, sql_type) == becomes


@pytest.mark.parametrize(
    ("name", "sql_type"),
    [
        ("seen", "DATE"),
        ("seen", "TIMESTAMP"),
        ("seen", "TIMESTAMP WITH TIME ZONE"),
        ("birth_text", "VARCHAR"),
        ("patient_id", "VARCHAR"),
        ("n", "HUGEINT"),
        ("n", "UHUGEINT"),
        ("n", "HUGEINT[]"),
        ("n", "STRUCT(a UUID)"),
        ("n", "UUID"),
        ("n", "TIME"),
        ("n", "INTERVAL"),
    ],
)
def test_what_no_rule_lets_out_is_refused_by_name(name: str, sql_type: str) -> None:
    with pytest.raises(SqlFileError, match=rf"core\.x cannot be published because of {name}:"):
        treated(name, sql_type)


def test_a_date_without_a_patient_is_refused() -> None:
    with pytest.raises(SqlFileError, match="first_date is a date but there is no patient_key"):
        published_columns("core.x", [COMPANIONS[0], Column("first_date", "DATE", "")])


def test_a_key_without_a_center_is_refused() -> None:
    with pytest.raises(SqlFileError, match="no center_id"):
        published_columns("core.x", [COMPANIONS[1]])


def test_the_study_s_own_dates_are_not_a_patient_s() -> None:
    (column,) = published_columns("core.rule", [Column("study_start", "DATE", "")])
    assert column.treatment == "copy"


def pseudonym(center_id: str = "a", kind: str = "patient", key: str = "a/1", project: str = "study") -> str:
    (made,) = pseudonyms([KeyOfCenter(center_id, kind, key)], project=project, keys=KEYS)
    return made


def test_a_pseudonym_is_the_center_s_hmac_cut_to_128_bits() -> None:
    message = b"study\0a\0patient\0a/1"
    assert pseudonym() == hmac.new(KEYS["a"], message, hashlib.sha256).hexdigest()[:32]


@pytest.mark.parametrize(
    "other", [{"center_id": "b"}, {"kind": "session"}, {"key": "a/2"}, {"project": "other"}]
)
def test_a_pseudonym_depends_on_project_center_kind_and_key(other: dict[str, str]) -> None:
    assert pseudonym(**other) != pseudonym()


def test_columns_of_one_kind_share_pseudonyms_whatever_their_role() -> None:
    columns = [
        Column(name, "VARCHAR", "") for name in ("session_key", "index_session_key", "body_structure_key")
    ]
    published = published_columns("core.x", [COMPANIONS[0], *columns])
    assert [column.kind for column in published[1:]] == ["session", "session", "structure"]


def test_a_center_without_a_key_is_named() -> None:
    with pytest.raises(ConfigError, match="Center c has no pseudonymization key"):
        pseudonyms([KeyOfCenter("c", "patient", "c/1")], project="study", keys=KEYS)


def test_fingerprints_tell_keys_apart_without_showing_them() -> None:
    prints = {key_fingerprint(secret) for secret in KEYS.values()}
    assert len(prints) == 2
    assert all(secret.hex()[:12] not in prints for secret in KEYS.values())
