"""For every write of init, codes export and codes import: a disk that refuses it is told."""

import json
import shutil
from pathlib import Path

from service.codes import export_fhir, import_concept_map
from service.configuration import load_settings
from service.new_workplace import make_workplace
from tests.properties.failing_files import refused_one_by_one

SHIPPED = Path(__file__).parents[2] / "config"
SNOMED = "http://snomed.info/sct"
TARGET = {"code": "77435000", "equivalence": "equivalent"}
MAP = {
    "resourceType": "ConceptMap",
    "status": "draft",
    "group": [
        {"source": "urn:oid:1.2.3", "target": SNOMED, "element": [{"code": "V-NEW", "target": [TARGET]}]}
    ],
}


def test_a_new_workplace(tmp_path: Path) -> None:
    study = tmp_path / "study"
    failed = refused_one_by_one(
        tmp_path, lambda: make_workplace(study, ["a"]), lambda: shutil.rmtree(study, ignore_errors=True)
    )
    assert failed >= {"mkdir", "open", "write"}


def test_an_export_of_codes(tmp_path: Path) -> None:
    settings, target = load_settings(SHIPPED), tmp_path / "fhir"
    assert refused_one_by_one(tmp_path, lambda: export_fhir(settings, target), lambda: None) >= {
        "mkdir",
        "write",
    }
    assert list(target.glob("ConceptMap-*.json"))


def test_an_import_of_codes_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "config")
    file = tmp_path / "map.json"
    file.write_text(json.dumps(MAP), encoding="utf-8")
    settings, codes = load_settings(tmp_path / "config"), tmp_path / "config/centers/a/codes"
    before = {path.name: path.read_bytes() for path in codes.iterdir()}

    def require_unchanged() -> None:
        assert {path.name: path.read_bytes() for path in codes.iterdir()} == before

    failed = refused_one_by_one(
        tmp_path / "config", lambda: import_concept_map(settings, "a", file), require_unchanged
    )
    assert failed >= {"open", "write", "replace"}
    assert b"V-NEW" in (codes / "imported.csv").read_bytes()
