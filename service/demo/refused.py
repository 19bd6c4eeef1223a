"""A request that the demo server answers with an OperationOutcome. It never leaves the server."""

from service.demo.fhir import Resource


class Refused(Exception):  # noqa: N818  (an answer, not an error of the product: it has no exit code)
    """An HTTP status of 400 or more with the issue that explains it.

    code: from http://hl7.org/fhir/issue-type; `diagnostics` may name parameters, never their values.
    """

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.outcome = outcome("error", code, diagnostics)


def outcome(severity: str, code: str, diagnostics: str) -> Resource:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
