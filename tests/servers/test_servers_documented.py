"""docs/servers.md speaks of tests and versions that exist."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "servers.md").read_text(encoding="utf-8")
POM = "{http://maven.apache.org/POM/4.0.0}"


def test_each_test_named_there_exists_and_each_test_of_a_server_is_named_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    files = [path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py")]
    marked = {
        name
        for text in files
        if re.search("^pytestmark = pytest.mark.servers", text, re.M)
        for name in re.findall(r"^def (test_\w+)", text, re.M)
    }
    assert named <= marked
    assert marked - named == {
        "test_each_invalid_resource_of_the_demo_has_the_error_it_was_made_for",
        "test_the_servers_start_in_time_and_take_the_cohort_by_transactions",
    }


def test_the_versions_are_those_of_the_builds() -> None:
    hapi = ElementTree.parse(HERE / "hapi" / "pom.xml").findtext(f"{POM}properties/{POM}hapi.version")  # noqa: S314
    medplum = json.loads((HERE / "medplum" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert f"| HAPI FHIR JPA | {hapi} |" in PAGE
    assert f"| Medplum FHIR router | {medplum['@medplum/fhir-router']} |" in PAGE
