"""What is wrong on this machine, from its settings to its clock, and how to mend it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import requires, version
from pathlib import Path

import duckdb
from packaging.requirements import Requirement

from pipedrive_orchestration.pipedrive.account import read_user
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.client import Client
from pipedrive_orchestration.pipedrive.errors import NotConnected, PipedriveError
from pipedrive_orchestration.services.alerts import read_state, sinks_of
from pipedrive_orchestration.services.dagster_internals import InstanceKeyValues
from pipedrive_orchestration.services.dagster_state import SQLITE_FILES, refuse_unusable, sqlite_folder
from pipedrive_orchestration.services.deployment import dagster_instance
from pipedrive_orchestration.services.dev_process import API_PORT, UI_PORT, is_dev_running, is_taken
from pipedrive_orchestration.services.errors import StateError
from pipedrive_orchestration.services.names import DEFAULT_NAMES
from pipedrive_orchestration.services.project_check import NoProjectError, check_paths
from pipedrive_orchestration.settings import ENV_FILE, Settings, SettingsError
from pipedrive_orchestration.template import CONFIGURATION, WORKSPACE
from pipedrive_orchestration.warehouse import Warehouse, WarehouseError
from pipedrive_orchestration.warehouse.tables import ROWS

PACKAGE = "pipedrive-orchestration"
TESTED_PYTHONS = ((3, 11), (3, 12), (3, 13))

PORTS = {UI_PORT: "Dagster's UI (`dev`)", API_PORT: "the HTTP API (`serve`)"}
"""The ports that commands take unless told otherwise."""

LITTLE_SPACE = 2 * 1024**3
"""Bytes free on a disk below which an import may run out of space."""

CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far our clock may be from Pipedrive's without a word."""

_PATIENCE_SECONDS = 5.0


class Verdict(StrEnum):
    """How something is."""

    WELL = "well"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        subject: what it is, in a word or two.
        text: what was found, in a sentence.
        remedy: what to do; empty where all is well.
    """

    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""

    @classmethod
    def well(cls, subject: str, text: str) -> Diagnosis:
        """Something of which nothing is wrong."""
        return cls(subject, Verdict.WELL, text)

    @classmethod
    def warning(cls, subject: str, text: str, remedy: str) -> Diagnosis:
        """Something that works, but may not go on so."""
        return cls(subject, Verdict.WARNING, text, remedy)

    @classmethod
    def wrong(cls, subject: str, text: str, remedy: str) -> Diagnosis:
        """Something that keeps a command from its work."""
        return cls(subject, Verdict.WRONG, text, remedy)


def diagnose(folder: Path) -> Iterator[Diagnosis]:
    """Look at everything, one thing after the other; what cannot be looked at is told as such.

    The account is asked once, for 2 tokens.

    Args:
        folder: the working folder.
    """
    yield from _versions()
    yield from _env_file(folder / ENV_FILE)
    try:
        settings = Settings.read(folder).from_folder(folder)
    except SettingsError as error:
        for problem in error.problems:
            yield Diagnosis.wrong("settings", problem, "Mend it; nothing else can be looked at before.")
        return
    yield Diagnosis.well("settings", f"The variables can be used; the project is {settings.project}.")
    for subject, look in _LOOKS.items():
        try:
            yield from look(settings)
        except OSError as error:
            yield Diagnosis.wrong(
                subject, f"{error.filename}: {error.strerror}.", "Make it readable for you."
            )


def _versions() -> Iterator[Diagnosis]:
    python = sys.version_info[:2]
    named = ".".join(map(str, python))
    if python in TESTED_PYTHONS:
        yield Diagnosis.well("Python", f"Python {named}.")
    else:
        tested = " to ".join(".".join(map(str, each)) for each in (TESTED_PYTHONS[0], TESTED_PYTHONS[-1]))
        yield Diagnosis.warning(
            "Python", f"Python {named} is not one that this was tested on.", f"Use {tested}."
        )
    unfit = [
        f"{requirement.name} {version(requirement.name)} is not {requirement.specifier}"
        for requirement in map(Requirement, requires(PACKAGE) or [])
        # What only an extra brings may be missing.
        if (requirement.marker is None or requirement.marker.evaluate())
        and not requirement.specifier.contains(version(requirement.name), prereleases=True)
    ]
    if unfit:
        yield Diagnosis.wrong(
            "packages",
            f"{'; '.join(unfit)}.",
            f"Install {PACKAGE} anew with pip, in its own venv.",
        )
    else:
        yield Diagnosis.well(
            "packages",
            f"{PACKAGE} {version(PACKAGE)}, Dagster {version('dagster')}, DuckDB {duckdb.__version__}.",
        )


def _env_file(file: Path) -> Iterator[Diagnosis]:
    if file.is_file():
        yield from _private(file, "the file with the token")


def _private(path: Path, what: str) -> Iterator[Diagnosis]:
    """Whether a file or folder is for its owner only."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        wanted = "700" if path.is_dir() else "600"
        yield Diagnosis.warning(
            "file modes",
            f"Others on this machine can reach {path}, {what} (mode {mode:o}).",
            f"chmod {wanted} {path}",
        )
    else:
        yield Diagnosis.well("file modes", f"{path}, {what}, is for its owner only.")


def _project(settings: Settings) -> Iterator[Diagnosis]:
    try:
        checked = check_paths([settings.project])
    except NoProjectError as error:
        yield Diagnosis.wrong("project", str(error), f"`{PACKAGE} init` lays a folder out.")
        return
    if checked.findings:
        yield Diagnosis.wrong(
            "project",
            f"{len(checked.findings)} problems in {checked.bad_files} of {checked.files} files.",
            f"`{PACKAGE} check` shows each with its line.",
        )
    else:
        yield Diagnosis.well("project", f"{checked.files} files without problems.")


def _layout(settings: Settings) -> Iterator[Diagnosis]:
    missing = [
        str(path) for path in (settings.home / CONFIGURATION, Path.cwd() / WORKSPACE) if not path.exists()
    ]
    if missing:
        yield Diagnosis.wrong(
            "folder",
            f"There is no {' and no '.join(missing)}.",
            f"`{PACKAGE} init` makes them.",
        )
    else:
        yield Diagnosis.well("folder", f"{settings.home} is laid out.")


def _state(settings: Settings) -> Iterator[Diagnosis]:
    home = settings.home.resolve()
    try:
        refuse_unusable(home)
    except StateError as error:
        yield Diagnosis.wrong("Dagster's state", str(error), "See there.")
        return
    if settings.state.is_dir():
        yield from _private(settings.state, "the folder of Dagster's state")
    base = sqlite_folder(home)
    files = [base / name for name in SQLITE_FILES if (base / name).exists()] if base else []
    damaged = {file: reason for file in files if (reason := _damage_of(file))}
    for file, reason in damaged.items():
        yield Diagnosis.wrong(
            "Dagster's state",
            f"{file}: {reason}.",
            "Bring it back from a copy, or move it away, and a new one is made.",
        )
    if not damaged:
        yield Diagnosis.well("Dagster's state", f"{len(files)} files of its storage are whole.")


def _damage_of(file: Path) -> str | None:
    """What SQLite finds wrong in a file, or None."""
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_SECONDS)
        ) as opened:
            (found,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found)


def _database(settings: Settings) -> Iterator[Diagnosis]:
    warehouse = Warehouse.from_settings(settings).with_patience(_PATIENCE_SECONDS)
    file = warehouse.file
    try:
        if not warehouse.exists:
            yield Diagnosis.well("database", f"{warehouse.database} is made by the first import.")
        else:
            with warehouse.reading() as connection:
                count = connection.execute(
                    "SELECT count(*) FROM duckdb_tables() WHERE schema_name = ?", [ROWS]
                ).fetchone()
            tables = count[0] if count else 0
            yield Diagnosis.well("database", f"{warehouse.database} opens; {tables} sources have tables.")
    except WarehouseError as error:
        yield Diagnosis.wrong("database", str(error), "See there.")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        remedy = "Restore a copy, or move it away and import again."
        yield Diagnosis.wrong("database", f"{warehouse.database} cannot be read: {reason}", remedy)
    if file is not None and file.exists():
        yield from _private(file, "the database")
    place = warehouse.folder
    yield from _space(next(folder for folder in (place, *place.absolute().parents) if folder.exists()))


def _space(folder: Path) -> Iterator[Diagnosis]:
    free = shutil.disk_usage(folder).free
    amount = f"{free / 1024**3:.1f} GiB are free where the database is ({folder})."
    if free < LITTLE_SPACE:
        yield Diagnosis.warning(
            "disk", amount, "Make room: a large import needs about three times its table."
        )
    else:
        yield Diagnosis.well("disk", amount)


def _processes(settings: Settings) -> Iterator[Diagnosis]:
    """Whether `dev` runs, and whether what it and `serve` need is free."""
    running = is_dev_running(settings.state)
    if running:
        yield Diagnosis.well("dev", "`dev` is running here, so schedules fire.")
    else:
        yield Diagnosis.warning(
            "dev",
            "`dev` is not running here, so no schedule fires unless Dagster's daemon runs elsewhere.",
            f"`{PACKAGE} dev`, or Dagster's own daemon and web server.",
        )
    for port, purpose in PORTS.items():
        if is_taken(port) and not (running and port == UI_PORT):
            yield Diagnosis.warning(
                "ports",
                f"Port {port}, which {purpose} takes unless told otherwise, is in use.",
                f"End the program that has it, or add --port {port + 1}.",
            )


def _alerts(settings: Settings) -> Iterator[Diagnosis]:
    """Whether alerts have somewhere to go, and get there."""
    if settings.alerts is None:
        yield Diagnosis.well("alerts", "Nobody is told when a source ceases to be well: docs/alerts.md.")
        return
    sinks, wrong = sinks_of(settings.alerts.get_secret_value())
    for problem in wrong:
        yield Diagnosis.wrong("alerts", str(problem), "Mend it in PIPEDRIVE_ALERTS.")
    refusals = {}
    if settings.state.is_dir():
        with dagster_instance(settings) as instance:
            refusals = read_state(InstanceKeyValues(instance, DEFAULT_NAMES.prefix)).refusals
    for sink in sinks:
        refusal = refusals.get(sink.sink_id)
        if refusal is None:
            continue
        yield Diagnosis.warning(
            "alerts",
            f"{sink.name[0].upper()}{sink.name[1:]} has taken no message since "
            f"{refusal.since:%Y-%m-%d %H:%M} UTC, in {refusal.tries} tries.",
            f"`{PACKAGE} alerts test` tries it now; it is tried again by itself.",
        )
    if not wrong and not any(sink.sink_id in refusals for sink in sinks):
        yield Diagnosis.well("alerts", f"{len(sinks)} addresses are told when a source ceases to be well.")


def _account(settings: Settings) -> Iterator[Diagnosis]:
    if not settings.has_account:
        yield Diagnosis.warning(
            "account",
            "No account is set; `dev` and `demo` take the demo account.",
            "Put PIPEDRIVE_API_TOKEN into .env.",
        )
        return
    try:
        user, offset = asyncio.run(_ask(Connection.from_settings(settings)))
    except NotConnected as error:
        yield Diagnosis.wrong("account", " ".join(str(error).split()), "See there.")
        return
    except PipedriveError as error:
        yield Diagnosis.wrong(
            "account", str(error), "Look at the network, and at https://status.pipedrive.com."
        )
        return
    yield Diagnosis.well("account", f"{user} answers.")
    if offset is None or abs(offset) <= CLOCK_TOLERANCE:
        yield Diagnosis.well("clock", "Our clock agrees with Pipedrive's.")
        return
    side = "behind" if offset > timedelta() else "ahead of"
    yield Diagnosis.warning(
        "clock",
        f"Our clock is {abs(offset)} {side} Pipedrive's. No record is lost; schedules fire at our time.",
        "Let the machine set its clock by NTP.",
    )


async def _ask(connection: Connection) -> tuple[str, timedelta | None]:
    """Whose account it is, and how far Pipedrive's clock is ahead of ours."""
    async with Client(connection) as client:
        user = await read_user(client)
        return f"{user.company}, as {user},", client.clock.offset if client.clock.is_told else None


_LOOKS: dict[str, Callable[[Settings], Iterator[Diagnosis]]] = {
    "project": _project,
    "folder": _layout,
    "Dagster's state": _state,
    "database": _database,
    "dev": _processes,
    "alerts": _alerts,
    "account": _account,
}
