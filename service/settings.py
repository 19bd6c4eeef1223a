"""What can be configured: the models of `cryocohort.toml` and of each center's `center.toml`.

Read by service/configuration.py; everything below this layer gets plain values.
"""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ingest.origin import origin_of
from mappings.errors import ConfigError
from service.secret_file import read_secret

MINIMUM_KEY_BYTES = 32
# Plain HTTP is for loopback only: tokens and health data never travel unencrypted.
ORIGIN = re.compile(r"https://[^/?#@\s]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")
BASE_URL = re.compile(rf"({ORIGIN.pattern})(/[^?#@\s]*)?")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Study(_Strict):
    """What is studied, and the days between which it happens."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    title: str
    start: dt.date
    end: dt.date
    data_lock: dt.date
    synthetic: bool = False

    @model_validator(mode="after")
    def _days_in_order(self) -> "Study":
        if not self.start <= self.end <= self.data_lock:
            raise ValueError("start, end and data_lock must follow each other in time")
        return self


class Windows(_Strict):
    """Assessment windows around the index treatment (days and hours), and what a response and a loss is."""

    baseline_from_day: int
    baseline_to_day: int
    h24_from_hours: int
    h24_to_hours: int
    month1_from_day: int
    month1_to_day: int
    month1_target_day: int
    last_from_day: int
    complication_days: int
    event_merge_days: int
    responder_points: Annotated[float, Field(gt=0, le=10)] = 2.0
    responder_percent: Annotated[float, Field(gt=0, le=100)] = 30.0
    responder_percent_high: Annotated[float, Field(gt=0, le=100)] = 50.0
    lost_after_months: Annotated[float, Field(gt=0)] = 12.0


class Schedule(_Strict):
    """When the service works; five-field crons with day names."""

    timezone: str = "UTC"
    sync: str
    refresh: str
    misfire_grace_hours: Annotated[int, Field(ge=1, le=23)] = 12

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("must be an IANA time zone such as UTC or Europe/Paris")
        return value

    @field_validator("sync", "refresh")
    @classmethod
    def _five_fields_with_day_names(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != 5:
            raise ValueError("must have five fields: minute hour day month weekday")
        # The scheduler counts weekdays from Monday = 0, crontab from Sunday = 0: a digit is ambiguous.
        if any(character.isdigit() for character in fields[4]):
            raise ValueError("must name days of the week (mon-fri), not number them")
        return value


class Ingest(_Strict):
    """How much is asked again, what a run may spend, what is too much, and when deletions are looked for."""

    overlap_hours: Annotated[int, Field(ge=1)] = 24
    max_invalid_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    reconcile_days: Annotated[int, Field(ge=1)] = 7
    max_deleted_percent: Annotated[float, Field(ge=0, le=100)] = 2.0
    max_requests_per_center: Annotated[int, Field(ge=1)] = 50_000
    max_minutes_per_center: Annotated[float, Field(gt=0)] = 180.0


class WarehousePlace(_Strict):
    """Where the warehouse lives and what it may use."""

    folder: str
    keep_releases: Annotated[int, Field(ge=3)] = 5
    threads: Annotated[int, Field(ge=1)] = 2
    memory_limit: Annotated[str, Field(pattern=r"^[0-9]+(MB|GB)$")] = "2GB"


class Serve(_Strict):
    """Where `serve` shows its status page."""

    listen: Annotated[str, Field(pattern=r"^([^\s:/]+:[0-9]{1,5}|)$")] = "127.0.0.1:8642"


class Notify(_Strict):
    """The site's own command that is told of failures and recoveries."""

    command: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = ()


class ReportPlace(_Strict):
    """Where the report is written, and for whom the nights write it."""

    file: str
    audience: Literal["team", "shared"] = "team"


class Sharing(_Strict):
    """What may be shown to those outside the study team."""

    smallest_count: Annotated[int, Field(ge=2)] = 5


class NoAuth(_Strict):
    """The center's server asks for no credentials."""

    kind: Literal["none"] = "none"


class BasicAuth(_Strict):
    """A user name and a password kept in a 0600 file."""

    kind: Literal["basic"]
    username: str
    password_file: str


class BearerAuth(_Strict):
    """A bearer token kept in a 0600 file, or in an environment variable."""

    kind: Literal["bearer"]
    token_file: str | None = None
    token_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "BearerAuth":
        if (self.token_file is None) == (self.token_env is None):
            raise ValueError("needs one of token_file and token_env")
        return self


class SmartAuth(_Strict):
    """SMART Backend Services: a client known to the center signs with a private key in a 0600 file."""

    kind: Literal["smart"]
    client_id: Annotated[str, Field(min_length=1)]
    key_file: str
    key_id: Annotated[str, Field(min_length=1)]
    algorithm: Literal["RS384", "ES384"]
    scopes: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")], ...], Field(min_length=1, strict=False)
    ]
    token_url: str | None = None

    @field_validator("token_url")
    @classmethod
    def _confidential(cls, value: str | None) -> str | None:
        origin = origin_of(value) if value is not None else None
        if value is not None and (origin is None or not origin.is_confidential or "#" in value):
            raise ValueError("must be the token endpoint, such as https://auth.example.org/token")
        return value


class Tls(_Strict):
    """PEM files: authorities trusted instead of the public ones; for mutual TLS our certificate and key."""

    ca_file: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""

    @model_validator(mode="after")
    def _certificate_with_its_key(self) -> "Tls":
        if bool(self.client_cert_file) != bool(self.client_key_file):
            raise ValueError("needs both client_cert_file and client_key_file, or neither")
        return self


class Search(_Strict):
    """How a center's server is searched."""

    page_size: Annotated[int, Field(ge=1, le=5000)] = 200
    patient_batch: Annotated[int, Field(ge=1, le=500)] = 50
    connect_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    read_timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    concurrency: Annotated[int, Field(ge=1, le=32)] = 4
    rewrite_links: bool = False


class Bulk(_Strict):
    """How a center's server is asked for Bulk Data exports."""

    group: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{0,64}$")] = ""
    type_filter: bool = False
    wait_minutes: Annotated[int, Field(ge=1, le=1440)] = 240
    longest_poll_seconds: Annotated[float, Field(gt=0)] = 600.0
    file_origins: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("file_origins")
    @classmethod
    def _plain_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(ORIGIN.fullmatch(each) for each in value):
            raise ValueError("must be origins, such as https://files.example.org")
        return value


class Ndjson(_Strict):
    """Where a center's NDJSON files are put, relative to its folder."""

    folder: str = "inbox"


class CenterFile(_Strict):
    """One center.toml."""

    name: str
    base_url: str
    fhir_version: Literal["R4", "R5"]
    pseudonym_key_file: str
    mode: Literal["search", "bulk", "ndjson"] = "search"
    search: Search = Search()
    bulk: Bulk = Bulk()
    ndjson: Ndjson = Ndjson()
    auth: Annotated[NoAuth | BasicAuth | BearerAuth | SmartAuth, Field(discriminator="kind")] = NoAuth()
    tls: Tls = Tls()

    @field_validator("base_url")
    @classmethod
    def _plain_base(cls, value: str) -> str:
        if not BASE_URL.fullmatch(value):
            raise ValueError("must be the server's FHIR base, such as https://fhir.example.org/r4")
        return value.rstrip("/")


class SettingsFile(_Strict):
    """The whole of cryocohort.toml."""

    study: Study
    windows: Windows
    schedule: Schedule
    ingest: Ingest = Ingest()
    warehouse: WarehousePlace
    report: ReportPlace
    serve: Serve = Serve()
    notify: Notify = Notify()
    sharing: Sharing = Sharing()


@dataclass(frozen=True, slots=True)
class CenterSettings:
    """A center as configured: its id (the folder's name), its folder and its file."""

    center_id: str
    folder: Path
    file: CenterFile

    def key_name(self, key: str) -> str:
        """A key of this center's file as messages name it."""
        return f"{self.folder / 'center.toml'}: {key}"

    def pseudonym_key(self) -> bytes:
        """The center's pseudonymization key: at least 32 bytes from a 0600 file."""
        key = read_secret(self.folder / self.file.pseudonym_key_file, self.key_name("pseudonym_key_file"))
        if len(key) < MINIMUM_KEY_BYTES:
            raise ConfigError(
                f"{self.folder / self.file.pseudonym_key_file}: the key has {len(key)} bytes, at least "
                f"{MINIMUM_KEY_BYTES} are needed.",
                "make one with `head -c 32 /dev/urandom > FILE; chmod 600 FILE`.",
            )
        return key

    def secret(self, key: str, name: str) -> str:
        """The text of the secret file `name`, told by the configuration key `key`; never empty."""
        path = self.folder / name
        where = self.key_name(key)
        try:
            text = read_secret(path, where).decode("utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigError(
                f"{where}: {path} is not text.", "put the secret there as one line of UTF-8."
            ) from None
        if not text:
            raise ConfigError(f"{where}: {path} is empty.", "put the secret there as one line.")
        return text


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured, with the folder it was read from."""

    folder: Path
    file: SettingsFile
    centers: tuple[CenterSettings, ...]

    @property
    def warehouse_folder(self) -> Path:
        """Absolute folder of the warehouse."""
        return (self.folder / self.file.warehouse.folder).resolve()

    @property
    def report_file(self) -> Path:
        """Absolute path of the HTML report."""
        return (self.folder / self.file.report.file).resolve()

    @property
    def publication_folder(self) -> Path:
        """Folder of the publications that our figures are compared with; it need not exist."""
        return self.folder / "publications"

    def center(self, center_id: str) -> CenterSettings:
        """The center of this id; raises ConfigError when none is called so."""
        for center in self.centers:
            if center.center_id == center_id:
                return center
        known = ", ".join(center.center_id for center in self.centers)
        raise ConfigError(f"No center is called {center_id}.", f"Name one of: {known}.")
