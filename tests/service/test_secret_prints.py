"""Fingerprints of secret files: they tell a change, and nothing of a secret."""

import hashlib
from pathlib import Path

import pytest

from service.configuration import load_settings
from service.demo.workplace import prepare
from service.secret_prints import secret_prints


@pytest.fixture
def center(tmp_path: Path) -> Path:
    """A center that is signed in to by a password."""
    folder = prepare(tmp_path, {"a": "https://fhir.example.org"}) / "centers" / "a"
    settings = (folder / "center.toml").read_text(encoding="utf-8")
    basic = '[auth]\nkind = "basic"\nusername = "us"\npassword_file = "password"\n'
    head, _, tail = settings.partition("[auth]")
    rest = tail.partition("\n[")
    (folder / "center.toml").write_text(f"{head}{basic}\n{rest[1].strip()}{rest[2]}", encoding="utf-8")
    (folder / "password").write_text("winter", encoding="utf-8")
    return folder


def prints(center: Path) -> dict[str, str]:
    return secret_prints(load_settings(center.parents[1]))["a"]


def test_only_the_file_that_was_changed_has_another_fingerprint(center: Path) -> None:
    before = prints(center)
    assert prints(center) == before
    (center / "password").write_text("summer", encoding="utf-8")
    after = prints(center)
    assert {name for name in before if before[name] != after[name]} == {"auth.password_file"}


def test_equal_secrets_under_different_keys_have_different_fingerprints(center: Path) -> None:
    before = prints(center)
    (center / "pseudonym.key").write_bytes(b"k" * 32)
    after = prints(center)
    assert all(before[name] != after[name] for name in ("pseudonym_key_file", "auth.password_file"))


def test_a_fingerprint_is_none_of_the_secret_alone(center: Path) -> None:
    """A plain hash of a short password could be found by trying."""
    plain = hashlib.sha256(b"winter").hexdigest()
    assert prints(center)["auth.password_file"] not in plain


def test_without_a_key_nothing_is_told_and_nothing_fails(center: Path) -> None:
    (center / "pseudonym.key").unlink()
    assert prints(center) == {}


def test_a_secret_that_is_missing_is_told_by_whoever_needs_it(center: Path) -> None:
    (center / "password").unlink()
    assert set(prints(center)) == {"pseudonym_key_file"}
