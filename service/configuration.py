"""Reading the configuration: `cryocohort.toml` and one folder per center, checked completely.

A wrong key, type or missing file raises ConfigError, which names the file, the key, what was expected
and what to do.
"""

import datetime as dt
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from mappings.errors import ConfigError
from service.settings import CenterFile, CenterSettings, Schedule, Settings, SettingsFile
from service.wall_clock import WallClockTrigger

CENTER_ID = re.compile(r"[a-z][a-z0-9-]{0,30}")

Model = TypeVar("Model", bound=BaseModel)


def load_settings(folder: Path) -> Settings:
    """Read and check `folder`/cryocohort.toml and every folder/centers/<center>/center.toml."""
    settings_file = _model(folder / "cryocohort.toml", SettingsFile)
    _check_crons(folder / "cryocohort.toml", settings_file.schedule)
    centers = tuple(_center(path) for path in _center_folders(folder / "centers"))
    return Settings(folder, settings_file, centers)


def _check_crons(path: Path, schedule: Schedule) -> None:
    for cron in (schedule.sync, schedule.refresh):
        try:
            WallClockTrigger(cron, schedule.timezone).first_after(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        except ConfigError as error:
            raise ConfigError(f"{path}: schedule: {error.message}", error.next_step) from None


def _center_folders(folder: Path) -> list[Path]:
    found = sorted(path.parent for path in folder.glob("*/center.toml"))
    if not found:
        raise ConfigError(
            f"{folder}: no center is configured.", "add a folder per center with a center.toml in it."
        )
    return found


def require_center_id(center_id: str, where: str) -> None:
    """Raise ConfigError, which says `where`, unless a center may be called so."""
    if not CENTER_ID.fullmatch(center_id):
        raise ConfigError(
            f"{where}: a center's id must be a lower-case letter, then at most 30 lower-case letters, digits"
            " and hyphens; it names the center's folder.",
            "choose another, for example `north`.",
        )


def _center(folder: Path) -> CenterSettings:
    require_center_id(folder.name, str(folder))
    return CenterSettings(folder.name, folder, _model(folder / "center.toml", CenterFile))


def _model(path: Path, model: type[Model]) -> Model:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: the file cannot be read ({error.strerror}).",
            "name the right folder with --config, or copy the shipped example there.",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.", "mend the line named.") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"{path}: {problem}" for problem in _problems(error, model)),
            "mend the keys named; the shipped configuration shows every key with its meaning.",
        ) from None


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        # A discriminated table puts its kind into the location: auth.basic.username is written auth.username.
        place = [str(part) for part in problem["loc"] if part not in ("basic", "bearer", "none", "smart")]
        key = ".".join(place) or "the file"
        if problem["type"] == "extra_forbidden":
            yield f"{key}: unknown key; expected one of {', '.join(_allowed(model, place[:-1]))}."
        elif problem["type"] == "missing":
            yield f"{key}: the key is missing."
        else:
            yield f"{key}: {problem['msg'].removeprefix('Value error, ')}."


def _allowed(model: type[BaseModel], place: list[str]) -> list[str]:
    names: set[str] = set()
    models = [model]
    for part in place:
        models = [inner for outer in models for inner in _models_of(outer.model_fields[part])]
    for found in models:
        names.update(found.model_fields)
    return sorted(names)


def _models_of(field: FieldInfo) -> list[type[BaseModel]]:
    candidates = (field.annotation, *get_args(field.annotation))
    return [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]


def shipped_configuration() -> Path:
    """The folder of the configuration that comes with the product: in the wheel, or in a checkout."""
    here = Path(__file__).parent
    packed = here / "_config"
    return packed if packed.is_dir() else here.parent / "config"
