"""Canonical code sets, center maps and the join table made of them."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.conceptmap import ConceptMap

from mappings.errors import TerminologyError
from mappings.terminology import (
    ALIAS_COLUMNS,
    CODE_COLUMNS,
    MAP_COLUMNS,
    CanonicalCode,
    MappedCode,
    code_map,
    load_aliases,
    load_center_map,
    load_codes,
    query_codes,
    text_code,
)

ROOT = Path(__file__).parents[2]
CENTERS = sorted(path for path in (ROOT / "config" / "centers").iterdir() if (path / "codes").is_dir())
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
LOCAL = "urn:oid:1.2.3"

LEVELS = {
    f"{region}{number}"
    for region, count in zip("CTLS", (7, 12, 5, 5), strict=True)
    for number in range(1, count + 1)
}
CONCEPTS = {
    "procedure": {"cryoablation", "vertebral_destruction", "cementoplasty", "other_ablation"},
    "metastasis": {"spinal_metastasis", "bone_metastasis"},
    "primary_bone_tumor": {"primary_bone_tumor"},
    "primary": {
        *("lung", "breast", "kidney", "thyroid", "prostate"),
        *("colon", "liver", "melanoma", "bladder", "stomach"),
    },
    "level": LEVELS,
    "region": {"cervical", "thoracic", "lumbar", "sacral", "spine"},
    "intent": {"curative", "palliative", "supportive"},
    "pain_score": {"nprs", "vas", "faces", "verbal", "interference"},
    "pain_answer": {str(score) for score in range(11)},
    "painful": {"pain_in_spine"},
    "disease_status": {"disease_status"},
    "disease_status_value": {"controlled", "progression", "not_assessed", "distant"},
    "ctcae_grade": set("12345"),
    "cirse_grade": set("123456"),
    "sir_class": set("ABCDEF"),
    "ae_seriousness": {"serious", "non_serious"},
    "ae_severity": {"mild", "moderate", "severe"},
    "ae_outcome": {"resolved", "recovering", "ongoing", "resolved_with_sequelae", "fatal", "unknown"},
    "complication": {
        *("fracture", "paresthesia", "nerve_injury", "spinal_cord_compression"),
        *("cauda_equina_syndrome", "pneumothorax", "pleural_effusion", "procedure_complication"),
        *("hematoma", "pain_flare", "cement_leakage"),
    },
}

CANONICAL_ROW = {
    "code_set": "level",
    "concept": "T8",
    "system": SNOMED,
    "code": "77435000",
    "display": "Body of vertebra T8",
    "requires": "",
    "status": "verified",
    "source": "a source",
    "note": "",
}
MAP_ROW = {
    "source_system": LOCAL,
    "source_code": "V-T8",
    "source_display": "Vertebral body T8",
    "target_system": SNOMED,
    "target_code": "77435000",
    "target_display": "Body of vertebra T8",
    "equivalence": "equivalent",
    "status": "approved",
    "verified_by": "a data manager",
    "verified_on": "2026-11-01",
    "comment": "",
}
CANONICAL = (
    CanonicalCode(**CANONICAL_ROW),
    CanonicalCode(**{**CANONICAL_ROW, "concept": "T9", "code": "33766003"}),
    CanonicalCode(
        **{**CANONICAL_ROW, "code_set": "pain_score", "concept": "nprs", "system": LOINC, "code": "72514-3"}
    ),
)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_codes(folder: Path, *changes: Mapping[str, str]) -> Path:
    write_csv(folder / "level.csv", CODE_COLUMNS, [{**CANONICAL_ROW, **change} for change in changes])
    return folder


def write_map(folder: Path, *changes: Mapping[str, str]) -> Path:
    write_csv(folder / "codes.csv", MAP_COLUMNS, [{**MAP_ROW, **change} for change in changes])
    return folder


def mapped(folder: Path, *changes: Mapping[str, str]) -> list[MappedCode]:
    return code_map(CANONICAL, [load_center_map(write_map(folder, *changes), "x")])


def local(codes: Sequence[MappedCode]) -> list[tuple[str, str]]:
    return [(code.code, code.concept) for code in codes if code.system == LOCAL]


# --- the shipped code sets ---


def test_the_shipped_sets_hold_exactly_the_concepts_that_core_reads() -> None:
    found: dict[str, set[str]] = {}
    for code in load_codes():
        found.setdefault(code.code_set, set()).add(code.concept)
    assert found == CONCEPTS


@pytest.mark.parametrize(
    ("system", "code", "code_set", "concept", "requires"),
    [
        (SNOMED, "94602001", "metastasis", "spinal_metastasis", ""),
        ("http://hl7.org/fhir/sid/icd-10-cm", "C79.51", "metastasis", "bone_metastasis", "spine_site"),
        ("http://www.ama-assn.org/go/cpt", "20983", "procedure", "cryoablation", "spine_site"),
        (SNOMED, "26782000", "procedure", "cryoablation", "spine_site"),
        (SNOMED, "178923005", "procedure", "cryoablation", "spine_site"),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "0P543ZZ", "procedure", "vertebral_destruction", ""),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "0P543ZZ", "region", "thoracic", ""),
        ("http://www.ama-assn.org/go/cpt", "20982", "procedure", "other_ablation", ""),
        # The numbers of NCI's grade codes are not in the order of the grades.
        (NCIT, "C41340", "ctcae_grade", "3", ""),
        (NCIT, "C41337", "ctcae_grade", "4", ""),
        # Displayed as "2 or more" by LOINC; it means 2.
        (LOINC, "LA6113-0", "pain_answer", "2", ""),
        (LOINC, "LA13942-0", "pain_answer", "10", ""),
        (SNOMED, "73138009", "level", "T3", ""),
        (SNOMED, "1626008", "level", "T3", ""),
        (SNOMED, "399409002", "disease_status_value", "distant", ""),
        ("urn:cryocohort:cirse-2017", "3", "cirse_grade", "3", ""),
        ("urn:cryocohort:sir-2003", "C", "sir_class", "C", ""),
    ],
)
def test_a_code_means_what_its_source_says(
    system: str, code: str, code_set: str, concept: str, requires: str
) -> None:
    found = [
        each for each in load_codes() if (each.system, each.code, each.code_set) == (system, code, code_set)
    ]
    assert [(each.concept, each.requires) for each in found] == [(concept, requires)]


@pytest.mark.parametrize(
    "code",
    [
        "94503003",  # secondary malignancy of the prostate; public code gives it as spinal metastasis
        "429616001",  # a heart operation; public code gives it as kyphoplasty
        "0PU43JZ",  # written by table pattern, never seen in a published table
    ],
)
def test_codes_known_to_be_wrong_or_unverified_are_not_shipped(code: str) -> None:
    assert code not in {each.code for each in load_codes()}


def test_every_shipped_code_says_how_sure_it_is_and_by_what_source() -> None:
    assert {code.status for code in load_codes()} == {"verified", "second-hand"}
    assert all(code.source for code in load_codes())
    second_hand = {code.code for code in load_codes() if code.status == "second-hand"}
    assert {"178923005", "26782000"} <= second_hand


def test_the_check_digit_of_every_snomed_code_is_right() -> None:
    """SNOMED CT identifiers end in a Verhoeff digit: it shows a mistyped or swapped digit."""
    wrong = [code.code for code in load_codes() if code.system == SNOMED and _verhoeff(code.code)]
    assert wrong == []
    assert _verhoeff("178923006")
    assert _verhoeff("178932005")


def _verhoeff(digits: str) -> int:
    """0 for a right identifier: sums in the dihedral group of order 10, each digit permuted by its place."""
    once = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    total = 0
    for place, character in enumerate(reversed(digits)):
        digit = int(character)
        for _ in range(place % 8):
            digit = once[digit]
        turned = total + digit if total < 5 else total - digit
        is_mirrored = (total < 5) != (digit < 5)
        total = turned % 5 + 5 * is_mirrored
    return total


def test_every_level_has_a_code_and_the_usual_spellings() -> None:
    spellings = {code.code: code.concept for code in load_codes() if code.system == "text"}
    coded = {code.concept for code in load_codes() if code.code_set == "level" and code.system == SNOMED}
    assert coded == LEVELS
    for text, level in {
        **{level: level for level in LEVELS},
        **dict.fromkeys(("T8", "Th8", "th 8", "D8", "d 08", "BWK 8", "vertebra T8", "D8 vertebra"), "T8"),
        **dict.fromkeys(("Vertèbre D12", "vertebral body T12", "BWK12"), "T12"),
        **dict.fromkeys(("HWK 7", "c07"), "C7"),
        **dict.fromkeys(("LWK 5", "L 5"), "L5"),
    }.items():
        assert spellings.get(text_code(text)) == level, text


def test_aliases_lead_to_systems_that_the_code_sets_use() -> None:
    assert set(load_aliases().values()) <= {code.system for code in load_codes()}
    assert load_aliases()["https://loinc.org"] == LOINC


# --- the demo centers ---


@pytest.mark.parametrize("center", CENTERS, ids=lambda path: path.name)
def test_a_shipped_center_map_is_a_valid_concept_map_of_approved_rows(center: Path) -> None:
    center_map = load_center_map(center / "codes", center.name)
    assert {row.status for row in center_map.rows} == {"approved"}
    groups = center_map.concept_map["group"]
    assert sum(len(element["target"]) for group in groups for element in group["element"]) == len(
        center_map.rows
    )
    assert ConceptMap.model_validate(center_map.concept_map).status == "active"


@pytest.mark.parametrize("center", CENTERS, ids=lambda path: path.name)
def test_a_shipped_center_map_leads_to_canonical_codes_by_their_own_display(center: Path) -> None:
    displays = {(code.system, code.code): code.display for code in load_codes()}
    for row in load_center_map(center / "codes", center.name).rows:
        assert row.target_display == displays[row.target], row.place


def test_there_are_two_demo_centers_with_local_codes() -> None:
    maps = [load_center_map(path / "codes", path.name) for path in CENTERS]
    codes = code_map(load_codes(), maps)
    found = Counter(code.center_id for code in codes if code.system.startswith("urn:oid:"))
    assert found == {"a": 3 + 7 + 6, "b": 29 + 7 + 6}


@pytest.mark.parametrize(
    ("center_id", "system", "code", "meaning"),
    [
        ("a", "urn:oid:1.2.250.1.999.1", "CRYO-RACH", ("procedure", "cryoablation", "")),
        ("a", "urn:oid:1.2.250.1.999.1", "CIM-VERT", ("procedure", "cementoplasty", "")),
        ("a", "urn:oid:1.2.250.1.999.1", "RF-VERT", ("procedure", "other_ablation", "")),
        ("a", "urn:oid:1.2.250.1.999.2", "G4", ("cirse_grade", "4", "")),
        ("a", "urn:oid:1.2.250.1.999.3", "CEMENT-LEAK", ("complication", "cement_leakage", "")),
        ("b", "urn:oid:2.16.840.1.113883.3.9999.1", "VERT-T05", ("level", "T5", "")),
        ("b", "urn:oid:2.16.840.1.113883.3.9999.2", "SIR-D", ("sir_class", "D", "")),
        ("b", "urn:oid:2.16.840.1.113883.3.9999.3", "902", ("complication", "fracture", "")),
    ],
)
def test_a_local_code_means_what_its_center_signed_off(
    center_id: str, system: str, code: str, meaning: tuple[str, str, str]
) -> None:
    codes = code_map(load_codes(), [load_center_map(path / "codes", path.name) for path in CENTERS])
    found = [each for each in codes if (each.center_id, each.system, each.code) == (center_id, system, code)]
    assert [(each.code_set, each.concept, each.requires) for each in found] == [meaning]


# --- the join table ---


def test_each_center_has_all_canonical_codes_and_only_its_own_local_ones(tmp_path: Path) -> None:
    maps = [load_center_map(write_map(tmp_path / "x", {}), "x"), load_center_map(tmp_path / "none", "y")]
    codes = code_map(CANONICAL, maps)
    assert codes == sorted(codes)
    assert [code.code for code in codes if code.center_id == "y"] == ["72514-3", "33766003", "77435000"]
    assert local(codes) == [("V-T8", "T8")]
    assert {code.center_id for code in codes if code.system == LOCAL} == {"x"}


@pytest.mark.parametrize(
    ("equivalence", "counts"),
    [
        ("equivalent", True),
        ("equal", True),
        ("wider", True),
        ("subsumes", True),
        ("narrower", False),
        ("specializes", False),
        ("inexact", False),
        ("relatedto", False),
        ("disjoint", False),
    ],
)
def test_a_row_counts_only_when_the_source_is_as_specific_as_the_target(
    tmp_path: Path, equivalence: str, counts: bool
) -> None:
    codes = mapped(tmp_path, {"equivalence": equivalence, "comment": "reviewed"})
    assert bool(local(codes)) is counts


@pytest.mark.parametrize("status", ["draft", "rejected"])
def test_a_row_that_is_not_approved_counts_nothing_and_may_be_unfinished(tmp_path: Path, status: str) -> None:
    unfinished = {"status": status, "target_code": "", "verified_by": "", "verified_on": ""}
    assert local(mapped(tmp_path, unfinished)) == []


def test_an_unmatched_code_is_reviewed_and_has_no_target(tmp_path: Path) -> None:
    change = {"equivalence": "unmatched", "target_system": "", "target_code": "", "target_display": ""}
    center_map = load_center_map(write_map(tmp_path, change), "x")
    assert local(code_map(CANONICAL, [center_map])) == []
    element = center_map.concept_map["group"][0]["element"][0]
    assert element["target"] == [{"equivalence": "unmatched"}]


def test_a_source_written_as_an_alias_is_known_resolved_and_as_the_server_writes_it(tmp_path: Path) -> None:
    change = {
        "source_system": "https://loinc.org",
        "source_code": "72514-3",
        "target_system": LOINC,
        "target_code": "72514-3",
        "equivalence": "equal",
    }
    codes = mapped(tmp_path, change)
    assert query_codes(codes, "x", "pain_score") == [(LOINC, "72514-3"), ("https://loinc.org", "72514-3")]


def test_a_target_may_be_written_as_an_alias(tmp_path: Path) -> None:
    assert local(mapped(tmp_path, {"target_system": "urn:oid:2.16.840.1.113883.6.96"})) == [("V-T8", "T8")]


def test_a_local_code_takes_the_requirement_of_its_target(tmp_path: Path) -> None:
    bone = CanonicalCode(**{**CANONICAL_ROW, "requires": "spine_site"})
    codes = code_map([bone], [load_center_map(write_map(tmp_path, {}), "x")])
    assert {code.requires for code in codes} == {"spine_site"}


def test_one_target_in_two_sets_gives_the_source_both_meanings(tmp_path: Path) -> None:
    region = CanonicalCode(**{**CANONICAL_ROW, "code_set": "region", "concept": "thoracic"})
    codes = code_map([*CANONICAL, region], [load_center_map(write_map(tmp_path, {}), "x")])
    assert local(codes) == [("V-T8", "T8"), ("V-T8", "thoracic")]


# --- what a center is asked for ---


def test_a_query_takes_one_set_of_one_center_and_no_spellings(tmp_path: Path) -> None:
    text = CanonicalCode(**{**CANONICAL_ROW, "system": "text", "code": "T8"})
    maps = [load_center_map(write_map(tmp_path / "x", {}), "x"), load_center_map(tmp_path / "none", "y")]
    codes = code_map([*CANONICAL, text], maps)
    assert query_codes(codes, "x", "level") == [(SNOMED, "33766003"), (SNOMED, "77435000"), (LOCAL, "V-T8")]
    assert query_codes(codes, "y", "level", {"T8"}) == [(SNOMED, "77435000")]
    assert query_codes(codes, "z", "level") == []


# --- mistakes in the files people edit ---


@pytest.mark.parametrize(
    ("change", "column", "expected"),
    [
        ({"equivalence": "same"}, "equivalence", "'same' is unknown"),
        ({"equivalence": ""}, "equivalence", "empty"),
        ({"status": "done"}, "status", "'done' is unknown"),
        ({"source_code": ""}, "source_code", "empty"),
        ({"source_system": ""}, "source_system", "empty"),
        ({"target_code": ""}, "target_code", "empty"),
        ({"target_code": "1"}, "target_code", "in no canonical code set"),
        ({"target_system": LOINC}, "target_code", "in no canonical code set"),
        ({"verified_by": ""}, "verified_by", "empty"),
        ({"verified_on": "01/11/2026"}, "verified_on", "no day"),
        ({"equivalence": "unmatched"}, "target_code", "has no target"),
        ({"equivalence": "narrower"}, "comment", "empty"),
        ({"equivalence": "narrower", "comment": "x", "target_code": "1"}, "target_code", "no canonical"),
    ],
)
def test_a_wrong_cell_is_named_with_its_file_row_and_column(
    tmp_path: Path, change: dict[str, str], column: str, expected: str
) -> None:
    with pytest.raises(TerminologyError, match=expected) as caught:
        mapped(tmp_path, {"source_code": "OTHER"}, change)
    assert caught.value.message.startswith(f"{tmp_path / 'codes.csv'}, row 3, column {column}: ")
    assert caught.value.next_step


def test_a_mapping_stated_twice_names_both_places_even_across_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "again.csv", MAP_COLUMNS, [MAP_ROW])
    with pytest.raises(
        TerminologyError, match=r"codes\.csv, row 2.* the same mapping as in .*again\.csv, row 2"
    ):
        mapped(tmp_path, {})


def test_a_local_code_with_two_meanings_in_one_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminologyError, match=r"row 3.*another meaning in the set level by .*row 2"):
        mapped(tmp_path, {}, {"target_code": "33766003"})


def test_a_center_cannot_give_a_canonical_code_another_meaning(tmp_path: Path) -> None:
    change = {"source_system": SNOMED, "source_code": "33766003"}
    with pytest.raises(TerminologyError, match="another meaning in the set level by the canonical code sets"):
        mapped(tmp_path, change)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"source_code": "V  T8"}, "source_code"),
        ({"target_code": "77  435000"}, "target_code"),
        ({"source_system": "urn:oid: 1"}, "source_system"),
    ],
)
def test_a_code_that_fhir_does_not_allow_is_refused(
    tmp_path: Path, change: dict[str, str], column: str
) -> None:
    with pytest.raises(TerminologyError, match=rf"row 2, column {column}: .* blanks"):
        mapped(tmp_path, change)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the columns are missing; expected are source_system"),
        (b"source_system;source_code\n", "the columns are source_system;source_code; expected"),
        (",".join([*MAP_COLUMNS, "extra"]).encode(), "comment, extra; expected"),
        (",".join(MAP_COLUMNS).encode() + b"\na,b\n", "row 2: 2 cells; expected are 11"),
        (",".join(MAP_COLUMNS).encode() + b'\n"a"b,c\n', "is no CSV file"),
        (",".join(MAP_COLUMNS).encode() + b"\n\xe9", "is not UTF-8 text"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "codes.csv").write_bytes(content)
    with pytest.raises(TerminologyError, match=expected):
        load_center_map(tmp_path, "x")


def test_what_a_spreadsheet_adds_does_no_harm(tmp_path: Path) -> None:
    path = write_map(tmp_path, {"source_code": " V-T8 "}) / "codes.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    codes = code_map(CANONICAL, [load_center_map(tmp_path, "x")])
    assert local(codes) == [("V-T8", "T8")]


@pytest.mark.parametrize(
    ("change", "column", "expected"),
    [
        ({}, "code", "the same code as in"),
        ({"code": "1", "status": "unverified"}, "status", "an unverified code cannot be a default"),
        ({"code": "1", "status": "guess"}, "status", "'guess' is unknown"),
        ({"code": "1", "code_set": "region"}, "code_set", "'region' is unknown"),
        ({"code": "1", "concept": ""}, "concept", "empty"),
        ({"code": "1", "source": ""}, "source", "empty"),
        ({"code": "1", "requires": "spine"}, "requires", "'spine' is unknown"),
        ({"code": "1", "system": "https://loinc.org"}, "system", "is an alias"),
        ({"code": "Th 8", "system": "text"}, "code", "can never match"),
    ],
)
def test_a_wrong_canonical_row_is_named_with_its_place(
    tmp_path: Path, change: dict[str, str], column: str, expected: str
) -> None:
    with pytest.raises(TerminologyError, match=expected) as caught:
        load_codes(write_codes(tmp_path, {}, change))
    assert caught.value.message.startswith(f"{tmp_path / 'level.csv'}, row 3, column {column}: ")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("urn:a", "urn:b"), ("urn:a", "urn:c")], "row 3, column alias: this alias stands above"),
        ([("urn:a", "urn:b"), ("urn:b", "urn:c")], "leads to urn:b, which is an alias itself"),
        ([("urn:a", "")], "row 2, column system: the cell is empty"),
    ],
)
def test_aliases_lead_to_one_system_in_one_step(
    tmp_path: Path, rows: list[tuple[str, str]], expected: str
) -> None:
    cells: list[dict[str, Any]] = [dict(zip(ALIAS_COLUMNS, row, strict=True)) for row in rows]
    with pytest.raises(TerminologyError, match=expected):
        load_aliases(write_csv(tmp_path / "systems.csv", ALIAS_COLUMNS, cells))
