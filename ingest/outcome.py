"""OperationOutcomes of servers, reduced to what is safe to show: severity and issue code.

Diagnostics, details and expressions may quote resources and queries; they are never read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEVERITIES = frozenset({"fatal", "error", "warning", "information", "success"})

# http://hl7.org/fhir/issue-type of R4 and R5
ISSUE_TYPES = frozenset(
    {"invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
     "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found",
     "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule", "conflict",
     "limited-filter", "transient", "lock-error", "no-store", "exception", "timeout", "incomplete",
     "throttled", "informational", "success"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OutcomeIssue:
    """One issue a server reported; what it says outside FHIR's lists reads 'error' and 'unknown'."""

    severity: str
    code: str

    @property
    def is_loss(self) -> bool:
        """Whether the answer may lack something: an error, or said to be incomplete."""
        return self.severity in {"fatal", "error"} or self.code == "incomplete"


def issues_of(outcome: Mapping[str, Any]) -> tuple[OutcomeIssue, ...]:
    """The issues of an OperationOutcome; none for any other resource."""
    listed = outcome.get("issue") if outcome.get("resourceType") == "OperationOutcome" else None
    return tuple(
        OutcomeIssue(
            _known(issue.get("severity"), SEVERITIES, "error"),
            _known(issue.get("code"), ISSUE_TYPES, "unknown"),
        )
        for issue in (listed if isinstance(listed, list) else [])
        if isinstance(issue, dict)
    )


def _known(value: object, values: frozenset[str], otherwise: str) -> str:
    return value if isinstance(value, str) and value in values else otherwise
