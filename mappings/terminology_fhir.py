"""Code sets and center maps as FHIR resources, and a ConceptMap from elsewhere as rows to review."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mappings.errors import TerminologyError
from mappings.terminology import TEXT_SYSTEM, CanonicalCode, require_valid

CONCEPT_EXTENSION = "urn:cryocohort:extension:concept"
REQUIRES_EXTENSION = "urn:cryocohort:extension:requires"


def value_sets(canonical: Iterable[CanonicalCode]) -> list[dict[str, Any]]:
    """One FHIR R4 ValueSet per canonical code set, by name, validated.

    Extensions of each code give our concept and what else it requires. Spellings of texts are no codes and
    are left out.
    """
    sets: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for code in canonical:
        if code.system != TEXT_SYSTEM:
            sets.setdefault(code.code_set, {}).setdefault(code.system, []).append(_concept(code))
    made = [_value_set(name, includes) for name, includes in sorted(sets.items())]
    for value_set in made:
        require_valid(value_set, value_set["title"])
    return made


def rows_of_concept_map(text: str, origin: str) -> list[dict[str, str]]:
    """The mappings of a FHIR R4 ConceptMap as draft rows (cells by column, unsigned), in its order.

    An element without a target becomes an unmatched row. Raises TerminologyError for what is no valid R4
    ConceptMap, and for mappings that depend on other elements: a row cannot say so.
    """
    content = _parsed(text, origin)
    require_valid(content, origin)
    rows: list[dict[str, str]] = []
    for group in content.get("group", ()):
        for element in group["element"]:
            for target in element.get("target") or [{"equivalence": "unmatched"}]:
                if target.get("dependsOn") or target.get("product"):
                    raise TerminologyError(
                        f"{origin}: a target depends on another element (dependsOn, product).",
                        "Remove these targets from the ConceptMap and review them by hand.",
                    )
                rows.append(_row(group, element, target))
    return list(_without_repetitions(rows))


def _parsed(text: str, origin: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        raise TerminologyError(f"{origin} is not JSON.", "Name a ConceptMap as a JSON file.") from None
    if not isinstance(content, dict) or content.get("resourceType") != "ConceptMap":
        raise TerminologyError(f"{origin} is no ConceptMap.", "Name a FHIR R4 ConceptMap as a JSON file.")
    return content


def _row(group: Mapping[str, Any], element: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, str]:
    is_matched = "code" in target
    return {
        "source_system": group.get("source", ""),
        "source_code": element.get("code", ""),
        "source_display": element.get("display", ""),
        "target_system": group.get("target", "") if is_matched else "",
        "target_code": target.get("code", ""),
        "target_display": target.get("display", ""),
        "equivalence": target["equivalence"],
        "status": "draft",
        "comment": target.get("comment", ""),
    }


def _without_repetitions(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    seen = set()
    for row in rows:
        mapping = (row["source_system"], row["source_code"], row["target_system"], row["target_code"])
        if mapping not in seen:
            seen.add(mapping)
            yield row


def _concept(code: CanonicalCode) -> dict[str, Any]:
    extensions = [{"url": CONCEPT_EXTENSION, "valueString": code.concept}]
    if code.requires:
        extensions.append({"url": REQUIRES_EXTENSION, "valueString": code.requires})
    return {"extension": extensions, "code": code.code, "display": code.display}


def _value_set(name: str, includes: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "id": name.replace("_", "-"),
        "url": f"urn:cryocohort:code-set:{name}",
        "name": name.title().replace("_", ""),
        "title": f"Canonical code set {name}",
        "status": "active",
        "compose": {"include": [{"system": system, "concept": codes} for system, codes in includes.items()]},
    }
