"""The error tree: every failure this product reports on purpose, and the exit code of its cause.

    CryocohortError                 1   (never raised itself)
    ├── ConfigError                10   a configuration file, key or secret is wrong
    │   ├── ViewError              10   a ViewDefinition or one of its FHIRPath expressions is wrong
    │   ├── TerminologyError       10   a code list or a center's map is wrong
    │   └── SqlFileError           10   a shipped or added .sql file breaks its contract
    ├── QueryError                  2   a query typed by a reader cannot be run on the release
    ├── SignInError                11   a center refused our credentials
    │   └── ForbiddenError         11   a center's server does not let us search a resource type
    ├── ServerError                12   a center's FHIR server failed or answered something that is not FHIR
    │   ├── UnreachableError       12   a center's server cannot be reached, or fails at every try
    │   └── IncompleteError        12   a run ended without everything it had to read
    │       ├── StoppedError       12   a run was asked to stop before it had read everything
    │       └── ExpiredExportError 12   a center's server no longer holds an export it made for us
    ├── InvalidShareError          13   too large a share of the resources read was invalid
    │   └── StillRefusedError      13   resources that were asked for again stay in quarantine
    ├── WarehouseError             14   the warehouse cannot be used as it stands
    │   ├── StatementError         14   a statement is at fault, or the data it reads
    │   ├── WarehouseBusyError     16   another run holds the warehouse
    │   └── NothingPublishedError  14   no release has been published yet
    └── FatalCheckError            15   a fatal quality check was violated; the release was withheld

Exit code 2 is also wrong usage of the command line, 1 a defect of ours (with a traceback). The tree lives in
the lowest layer because every layer raises from it and imports go one way only.
"""


class CryocohortError(Exception):
    """A failure with its next step: `message` says what and where, `next_step` what to do about it.

    Neither may contain resource content, patient ids, tokens or keys: both are logged and shown.
    """

    exit_code = 1

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(f"{message} Next step: {next_step}")
        self.message = message
        self.next_step = next_step


class ConfigError(CryocohortError):
    """A configuration file, key or secret is wrong."""

    exit_code = 10


class ViewError(ConfigError):
    """A ViewDefinition or one of its FHIRPath expressions is wrong."""


class TerminologyError(ConfigError):
    """A code list or a center's map is wrong."""


class SqlFileError(ConfigError):
    """A shipped or added .sql file breaks its contract."""


class QueryError(CryocohortError):
    """A query typed by a reader cannot be run on the release."""

    exit_code = 2


class SignInError(CryocohortError):
    """A center refused our credentials."""

    exit_code = 11


class ForbiddenError(SignInError):
    """A center's server knows us and does not let us search a resource type (403)."""


class ServerError(CryocohortError):
    """A center's FHIR server failed, or answered something that is not FHIR."""

    exit_code = 12


class UnreachableError(ServerError):
    """A center's server cannot be reached, or fails at every try: asking on would not help."""


class IncompleteError(ServerError):
    """A run ended without everything it had to read."""


class StoppedError(IncompleteError):
    """A run was asked to stop before it had read everything."""


class ExpiredExportError(IncompleteError):
    """A center's server no longer holds an export it made for us: it can only be asked for again."""


class InvalidShareError(CryocohortError):
    """Too large a share of the resources read was invalid."""

    exit_code = 13


class StillRefusedError(InvalidShareError):
    """Resources that were asked for again stay in quarantine."""


class WarehouseError(CryocohortError):
    """The warehouse cannot be used as it stands."""

    exit_code = 14


class StatementError(WarehouseError):
    """A statement is at fault, or the data it reads; not memory and not the disk."""


class WarehouseBusyError(WarehouseError):
    """Another run holds the warehouse."""

    exit_code = 16


class NothingPublishedError(WarehouseError):
    """No release has been published yet."""


class FatalCheckError(CryocohortError):
    """A fatal quality check was violated; the release was withheld."""

    exit_code = 15
