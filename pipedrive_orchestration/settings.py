"""Settings: every environment variable, described once, and the only place that reads the environment.

A `Settings` is a value like any other: nothing is kept between two readings, so that one process can work
with several accounts. Variables of the process win over those of a ``.env`` file; empty ones count as absent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pipedrive_orchestration.files import EncodingError, text_in_utf8

VARIABLE_PREFIX = "PIPEDRIVE_"
"""The beginning of the name of every variable of ours."""

SECRET_PREFIX = f"{VARIABLE_PREFIX}SECRET_"
"""The beginning of the names of those variables whose values actions of workflows may send."""

ENV_FILE = ".env"

LAKE = "ducklake:"
"""How the name of a lake begins; its catalogue follows."""

_REFERENCE = re.compile(r"\$(\w+|\{\w*\}?)")


class SettingsError(Exception):
    """Variables that cannot be used, or a ``.env`` file that cannot be read.

    Attributes:
        problems: a sentence for each, which names the variable or line, what is wrong and the remedy.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Remedy:
    """The second half of the sentence about a value that cannot be used: what to write instead."""

    text: str


def _expanded(value: Any) -> Any:
    """The path with the home folder in place of ``~``; other references are refused."""
    if not isinstance(value, str):
        return value
    left_over = _REFERENCE.search(value)
    if left_over:
        remedy = f"nothing replaces {left_over[0]} here: write the folder itself, or ~ for the home folder"
        raise PydanticCustomError("reference", "{remedy}", {"remedy": remedy})
    scheme = LAKE if value.startswith(LAKE) else ""
    path = value.removeprefix(scheme)
    if not path.startswith("~"):
        return value
    try:
        return f"{scheme}{Path(path).expanduser()}"
    except RuntimeError:
        remedy = "there is no such home folder: write the whole path"
        raise PydanticCustomError("home", "{remedy}", {"remedy": remedy}) from None


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",") if item.strip()] or None


def _network(value: str) -> str:
    ip_network(value)
    return value


def _zone(value: str) -> str:
    if value not in _zones():
        raise ValueError(value)
    return value


@cache
def _zones() -> frozenset[str]:
    # Six hundred files are looked at for it.
    return frozenset(available_timezones())


_ProxyAddress = Annotated[str, AfterValidator(_network)]

ExpandedPath = Annotated[Path, BeforeValidator(_expanded)]


class Settings(BaseSettings):
    """The settings of one account, its project folder and its database.

    The constructor takes values alone and looks at no environment; `read` does, and `from_variables` takes
    any mapping in its place.
    """

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        str_strip_whitespace=True,
    )

    api_token: SecretStr | None = Field(
        default=None, description="Token of a user who may see what is imported; sent in a header only."
    )
    api_url: str = Field(
        default="https://api.pipedrive.com",
        description="Base address without /api/v2, such as https://acme.pipedrive.com.",
    )
    oauth_client_id: str | None = Field(
        default=None, description="The installed app to sign in as, where there is no token."
    )
    oauth_client_secret: SecretStr | None = Field(default=None, description="The secret of the app.")
    oauth_refresh_token: SecretStr | None = Field(
        default=None, description="What the installation of the app gave; newer ones are kept by us."
    )
    oauth_url: str = Field(
        default="https://oauth.pipedrive.com", description="Where the tokens of the app are refreshed."
    )
    oauth_database: Annotated[
        str | None,
        Field(pattern=r"^postgres(ql)?://[^\s]+$"),
        Remedy("write an address such as postgresql://crm@db.internal/crm, without the password"),
    ] = Field(
        default=None,
        description="The PostgreSQL database in which several machines keep the app's newest tokens; a file "
        "in .state/ if not set.",
    )
    project: ExpandedPath = Field(
        default=Path("./project"), description="The folder that holds sources/ and workflows/."
    )
    warehouse: Annotated[str, BeforeValidator(_expanded)] = Field(
        default="./data/warehouse.duckdb",
        description="The DuckDB file, or a database that DuckDB connects to.",
    )
    warehouse_data: Annotated[str | None, BeforeValidator(_expanded)] = Field(
        default=None,
        description="The folder, or S3 address, where a DuckLake keeps its files; beside its catalogue if "
        "not set.",
    )
    s3_key_id: str | None = Field(
        default=None, description="The name of the key by which a DuckLake's files are reached on S3."
    )
    s3_secret: SecretStr | None = Field(default=None, description="The key itself.")
    s3_endpoint: Annotated[
        str | None,
        Field(pattern=r"^https?://[^\s/]+/?$"),
        Remedy("write an address such as https://s3.internal:9000"),
    ] = Field(default=None, description="The server that speaks S3; Amazon's if not set.")
    s3_region: str | None = Field(default=None, description="The region of the bucket, such as eu-central-1.")
    motherduck_token: SecretStr | None = Field(
        default=None, description="Access token of MotherDuck, where the warehouse is a database of it."
    )
    keep_snapshots_days: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Remedy("write the days for which the past of a DuckLake stays readable, such as 7"),
    ] = Field(
        default=7, description="Days for which a DuckLake's past stays readable, and its files stay for it."
    )
    storage_version: Annotated[
        str,
        Field(pattern=r"^v\d+\.\d+\.\d+$"),
        Remedy("write a version of DuckDB as v1.2.0, whose format every later one opens"),
    ] = Field(default="v1.2.0", description="The format of a DuckDB file that is made new.")
    staging: ExpandedPath | None = Field(
        default=None,
        description="The folder for pages not yet committed; beside the warehouse if not set.",
    )
    publish: ExpandedPath | None = Field(
        default=None, description="Where a copy for other programs is kept fresh; no copy if not set."
    )
    publish_every: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Remedy("write the seconds between two copies, such as 300"),
    ] = Field(default=300, description="Seconds between two copies while imports follow one another.")
    windows_per_run: Annotated[
        PositiveInt | None,
        Remedy(
            "write how many windows one run of a backfill reads, such as 6, or leave it unset for all of them"
        ),
    ] = Field(default=None, description="Windows that one run of a backfill reads; all of them if not set.")
    keep_runs_days: Annotated[PositiveInt, Remedy("write how many days runs are kept, such as 90")] = Field(
        default=90, description="Days after which runs are deleted with their logs."
    )
    keep_ticks_days: Annotated[
        PositiveInt, Remedy("write how many days runs of schedules that succeeded are kept, such as 3")
    ] = Field(
        default=3,
        description="Days after which runs of schedules that succeeded are deleted.",
    )
    allow_writes: Annotated[bool, Remedy("write true or false")] = Field(
        default=False, description="Whether anything here may change the account."
    )
    report_zone: Annotated[
        str,
        AfterValidator(_zone),
        Remedy("write the name of a time zone such as Europe/Berlin"),
    ] = Field(default="UTC", description="The time zone of the days and months of models and the report.")
    api_keys: SecretStr | None = Field(
        default=None, description="Keys of the HTTP API with their scopes; `make-key` makes one."
    )
    api_proxies: Annotated[
        tuple[_ProxyAddress, ...] | None,
        NoDecode,
        BeforeValidator(_listed),
        Remedy("write addresses or networks separated by commas, such as 10.0.0.5,192.168.0.0/16"),
    ] = Field(
        default=None,
        description="Proxies whose X-Forwarded-For the HTTP API believes, as addresses or networks.",
    )
    private_hosts: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        BeforeValidator(_listed),
        Remedy("write hosts as they stand in addresses, separated by commas, such as localhost,10.0.0.5"),
    ] = Field(
        default=None,
        description="Hosts of this machine or a private network to which workflows may post.",
    )
    alerts: SecretStr | None = Field(
        default=None,
        description="Addresses of Apprise, separated by blanks, that are told when something is not well.",
    )
    webhook_user: str | None = Field(
        default=None, description="The name by which Pipedrive's webhooks sign in; none are taken if not set."
    )
    webhook_password: SecretStr | None = Field(
        default=None, description="The password that belongs to it, such as 40 random characters."
    )
    inbox: ExpandedPath | None = Field(
        default=None,
        description="The folder of webhooks that are not merged yet; beside the warehouse if not set.",
    )
    dagster_url: Annotated[
        str, Field(pattern=r"^https?://[^\s/]+"), Remedy("write an address such as http://127.0.0.1:3000")
    ] = Field(
        default="http://127.0.0.1:3000",
        description="Where the command line and the HTTP API reach a running Dagster.",
    )
    dagster_hosts: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        BeforeValidator(_listed),
        Remedy("write names separated by commas, such as dagster.example.com"),
    ] = Field(
        default=None, description="Names by which Dagster's pages may be asked for beside this machine's own."
    )
    home: ExpandedPath = Field(
        default=Path(),
        validation_alias="DAGSTER_HOME",
        description="The folder of Dagster's configuration and state; the working folder if not set.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The constructor's arguments alone."""
        return (init_settings,)

    @classmethod
    def read(cls, folder: Path | None = None) -> Self:
        """The settings of this process, completed by the ``.env`` file of a folder.

        Args:
            folder: the working folder if None. Relative paths stay as they are; see `from_folder`.

        Raises:
            SettingsError: values that cannot be used, or a file that cannot be read; all at once.
        """
        return cls.from_variables(read_variables(folder))

    @classmethod
    def from_variables(cls, variables: Mapping[str, str]) -> Self:
        """The settings that a mapping holds under the names of environment variables.

        Raises:
            SettingsError: values that cannot be used; names all of them.
        """
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): value for name, value in variables.items() if value.strip()}
        try:
            return cls(**source())
        except ValidationError as error:
            raise SettingsError(map(_sentence, error.errors())) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The name of a field's environment variable."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else f"{VARIABLE_PREFIX}{field.upper()}"

    def variables(self) -> dict[str, str]:
        """The values that were given, secrets included, as environment variables of a process."""
        given = {field: getattr(self, field) for field in self.model_fields_set}
        return {self.variable(field): _text(value) for field, value in given.items() if value is not None}

    def but(self, **changes: object) -> Self:
        """The same settings with other values for some fields."""
        given = {field: getattr(self, field) for field in self.model_fields_set}
        return type(self).model_validate(given | changes)

    def from_folder(self, folder: Path) -> Self:
        """The same settings with whole paths, where relative ones are meant from a folder."""
        paths = {field: getattr(self, field) for field in ("project", "staging", "publish", "inbox", "home")}
        whole: dict[str, object] = {
            field: (folder / path).absolute() for field, path in paths.items() if path is not None
        }
        whole["warehouse"] = _whole_database(self.warehouse, folder)
        if self.warehouse_data is not None and "://" not in self.warehouse_data:
            whole["warehouse_data"] = str((folder / self.warehouse_data).absolute())
        return self.but(**whole)

    @property
    def state(self) -> Path:
        """The folder of what Dagster and we remember, below the home folder."""
        return self.home / ".state"

    @property
    def has_account(self) -> bool:
        """Whether a real account is meant, however incomplete what is said of it."""
        return any((self.api_token, self.oauth_client_id, self.oauth_client_secret, self.oauth_refresh_token))


def database_file(database: str) -> Path | None:
    """The file of a database, or None where it is not a local file, as with ``md:crm``."""
    scheme, _, rest = database.partition(":")
    remote = bool(rest) and scheme.isalpha() and len(scheme) > 1
    return None if remote else Path(database)


def _whole_database(database: str, folder: Path) -> str:
    """A database with a whole path, where it or its catalogue is a file named by a relative one."""
    scheme = LAKE if database.startswith(LAKE) else ""
    file = database_file(database.removeprefix(scheme))
    return database if file is None else f"{scheme}{(folder / file).absolute()}"


def read_variables(folder: Path | None = None) -> dict[str, str]:
    """The variables of this process, completed by the ``.env`` file of a folder; empty ones are left out.

    Args:
        folder: the working folder if None.

    Raises:
        SettingsError: the file cannot be read; names each line that is wrong.
    """
    stored = read_env_file((folder or Path.cwd()) / ENV_FILE)
    given = [stored, os.environ]
    return {name: value for variables in given for name, value in variables.items() if value}


def variables_of_others() -> dict[str, str]:
    """The variables of this process that are not ours, for programs that are to know no secrets of ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)}


def export(variables: Mapping[str, str]) -> None:
    """Put variables into the environment of this process, for Dagster and for processes that are started."""
    os.environ.update(variables)


def read_env_file(file: Path) -> dict[str, str]:
    """The variables of a ``.env`` file, empty ones included; none where there is no file.

    Raises:
        SettingsError: it cannot be read; names each line that is wrong.
    """
    try:
        # A folder of that name is some other program's.
        text = "" if file.is_dir() else _decoded(file, file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError([f"{file} cannot be read: {error.strerror}. Make it readable."]) from None
    wrong = [_line_of(binding) for binding in parse_stream(StringIO(text)) if binding.error]
    if wrong:
        raise SettingsError(
            f"{file}, line {line}, is no assignment: write NAME=value, and close quotes." for line in wrong
        )
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def _line_of(binding: Binding) -> int:
    written = binding.original.string
    # Empty lines before an assignment are part of it.
    return binding.original.line + written[: len(written) - len(written.lstrip())].count("\n")


def _decoded(file: Path, content: bytes) -> str:
    if b"\0" in content:
        raise SettingsError([f"{file} is saved as UTF-16 or is no text: save it as UTF-8."])
    try:
        return text_in_utf8(content)
    except EncodingError as error:
        line = error.before.count("\n") + 1
        raise SettingsError(
            [f"{file}, line {line}, holds a letter in an encoding other than UTF-8: save the file as UTF-8."]
        ) from None


def _sentence(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    fields = Settings.model_fields
    field = next(each for each in fields if name in (each, Settings.variable(each)))
    given, remedy = error["input"], _remedy(fields[field])
    if isinstance(error.get("ctx", {}).get("remedy"), str):
        remedy = error["msg"]
    return f"{Settings.variable(field)} is {given!r}; {remedy}."


def _remedy(field: FieldInfo) -> str:
    return next((each.text for each in field.metadata if isinstance(each, Remedy)), "leave it unset")


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
