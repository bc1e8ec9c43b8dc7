"""Settings: what variables mean, how a wrong one is said, and that texts list exactly those there are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.settings import Settings, SettingsError, read_variables

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "pipedrive_orchestration"
VARIABLES = {Settings.variable(field): field for field in Settings.model_fields}
DEFAULTS = Settings()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and nothing of ours in the environment."""
    for name in [name for name in os.environ if name.startswith(("PIPEDRIVE_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    return tmp_path


def problems_of(**variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_variables(variables)
    return caught.value.problems


def test_variables_of_the_process_win_over_the_file_and_empty_ones_over_nothing(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / ".env").write_text(
        'PIPEDRIVE_API_TOKEN="abc"\nPIPEDRIVE_PROJECT=from_file\nPIPEDRIVE_STAGING=\n'
        "export PIPEDRIVE_WAREHOUSE=from_file.duckdb # a remark\nCRM_KEY=of somebody\n"
    )
    monkeypatch.setenv("PIPEDRIVE_PROJECT", "from_process")
    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", "")
    settings = Settings.read(bare)
    assert settings.api_token is not None
    assert settings.api_token.get_secret_value() == "abc"
    assert settings.project == Path("from_process")
    assert settings.warehouse == "from_file.duckdb"
    assert settings.staging is None
    assert settings.model_fields_set == {"api_token", "project", "warehouse"}
    assert read_variables(bare)["CRM_KEY"] == "of somebody"


def test_two_settings_in_one_process_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEDRIVE_API_TOKEN", "of the process")
    monkeypatch.setenv("PIPEDRIVE_WAREHOUSE", "of_the_process.duckdb")
    acme = Settings.from_variables({"PIPEDRIVE_API_TOKEN": "acme", "PIPEDRIVE_WAREHOUSE": "acme.duckdb"})
    globex = Settings(project=Path("globex"))
    assert acme.variables() == {"PIPEDRIVE_API_TOKEN": "acme", "PIPEDRIVE_WAREHOUSE": "acme.duckdb"}
    assert globex.variables() == {"PIPEDRIVE_PROJECT": "globex"}
    assert globex.api_token is None
    assert acme.but(warehouse="other.duckdb").warehouse == "other.duckdb"
    assert acme.warehouse == "acme.duckdb"


def test_secrets_are_shown_nowhere() -> None:
    secrets = {name: f"secret-{name}" for name in VARIABLES if re.search("TOKEN|SECRET|KEYS", name)}
    assert len(secrets) == 6
    settings = Settings.from_variables(secrets)
    assert settings.variables() == secrets
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert not [value for value in secrets.values() if value in shown]


@pytest.mark.parametrize("name", ["PROJECT", "WAREHOUSE", "STAGING", "PUBLISH"])
def test_a_path_may_begin_at_the_home_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = Settings.from_variables({f"PIPEDRIVE_{name}": "~/crm"})
    assert str(getattr(settings, name.lower())) == "/home/somebody/crm"


@pytest.mark.parametrize(
    "name", ["PIPEDRIVE_PROJECT", "PIPEDRIVE_WAREHOUSE", "PIPEDRIVE_PUBLISH", "DAGSTER_HOME"]
)
@pytest.mark.parametrize("reference", ["$HOME", "${HOME}", "$crm"])
def test_a_reference_that_nothing_replaced_is_refused(name: str, reference: str) -> None:
    (problem,) = problems_of(**{name: f"{reference}/crm"})
    assert problem.startswith(f"{name} is '{reference}/crm'; nothing replaces {reference} here")


def test_everything_wrong_is_said_at_once_and_how_to_write_it() -> None:
    assert problems_of(
        PIPEDRIVE_PUBLISH_EVERY="often",
        PIPEDRIVE_WINDOWS_PER_RUN="0",
        PIPEDRIVE_WAREHOUSE="$HOME/crm.duckdb",
        PIPEDRIVE_DAGSTER_URL="localhost:3000",
        PIPEDRIVE_STORAGE_VERSION="1.2",
    ) == (
        "PIPEDRIVE_WAREHOUSE is '$HOME/crm.duckdb'; nothing replaces $HOME here: write the folder itself, or "
        "~ for the home folder.",
        "PIPEDRIVE_STORAGE_VERSION is '1.2'; write a version of DuckDB as v1.2.0, whose format every later "
        "one opens.",
        "PIPEDRIVE_PUBLISH_EVERY is 'often'; write the seconds between two copies, such as 300.",
        "PIPEDRIVE_WINDOWS_PER_RUN is '0'; write how many windows one run of a backfill reads, such as 6, or "
        "leave it unset for all of them.",
        "PIPEDRIVE_DAGSTER_URL is 'localhost:3000'; write an address such as http://127.0.0.1:3000.",
    )


@pytest.mark.parametrize("chosen", ["often", "-1", "inf", "nan"])
def test_seconds_that_are_none_are_named(chosen: str) -> None:
    (problem,) = problems_of(PIPEDRIVE_PUBLISH_EVERY=chosen)
    assert problem.startswith(f"PIPEDRIVE_PUBLISH_EVERY is '{chosen}'; write the seconds")


@pytest.mark.parametrize("chosen", ["0", "all", "-1", "1.5"])
def test_a_wrong_number_of_windows_is_named(chosen: str) -> None:
    (problem,) = problems_of(PIPEDRIVE_WINDOWS_PER_RUN=chosen)
    assert problem.startswith(f"PIPEDRIVE_WINDOWS_PER_RUN is '{chosen}'; write how many windows")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# Schlüssel\nPIPEDRIVE_API_TOKEN=abc\n".encode("cp1252"), "line 1, holds a letter in an encoding"),
        ("PIPEDRIVE_API_TOKEN=abc\n# Schlüssel\n".encode("cp1252"), "line 2, holds a letter in an encoding"),
        ("PIPEDRIVE_API_TOKEN=abc\n".encode("utf-16"), "is saved as UTF-16"),
        ("PIPEDRIVE_API_TOKEN=abc\n".encode("utf-16-be"), "is saved as UTF-16"),
        (b'PIPEDRIVE_API_TOKEN="abc\nPIPEDRIVE_PROJECT=x\n', "line 1, is no assignment"),
        (b"A=1\n\n=abc\n", "line 3, is no assignment"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(bare: Path, content: bytes, said: str) -> None:
    (bare / ".env").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Settings.read(bare)
    assert str(bare / ".env") in str(caught.value)
    assert said in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_mark_at_the_beginning_of_the_file_is_no_part_of_a_name(bare: Path) -> None:
    (bare / ".env").write_bytes("PIPEDRIVE_PROJECT=crm\n".encode("utf-8-sig"))
    assert Settings.read(bare).project == Path("crm")


def test_a_folder_called_env_is_somebody_elses(bare: Path) -> None:
    (bare / ".env").mkdir()
    assert Settings.read(bare) == DEFAULTS


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), TEXTS))
def test_any_values_are_taken_or_named_by_their_variables(variables: dict[str, str]) -> None:
    try:
        read = Settings.from_variables(variables)
    except SettingsError as error:
        for problem in error.problems:
            name, is_, _ = problem.partition(" is ")
            assert is_
            assert variables[name].strip()
    else:
        assert Settings.from_variables(read.variables()) == read


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=40))
def test_any_content_of_the_file_is_read_or_a_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".env").write_bytes(content)
        said: tuple[str, ...] = ()
        try:
            read_variables(Path(folder))
        except SettingsError as error:
            said = error.problems
    assert all(problem.startswith(folder) for problem in said)


ROW = re.compile(r"^\| (?P<names>`[A-Z0-9_`, ]+) \| .+ \| (?P<default>[^|]+) \|$", re.MULTILINE)


def table_of(text: str) -> dict[str, str]:
    """Defaults as a page writes them, by variable."""
    found = {}
    for row in ROW.finditer(text):
        for name in re.findall(r"`([A-Z0-9_]+)`", row["names"]):
            assert name not in found, f"{name} stands in two rows"
            found[name] = row["default"]
    return found


def shown_default(field: str) -> str | None:
    """A default as a page writes it; None where words say what happens."""
    value = getattr(DEFAULTS, field)
    if value is None or value == Path():
        return None
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return (
        f"`./{value}`"
        if isinstance(value, Path)
        else f"`{value:g}`"
        if isinstance(value, float)
        else f"`{value}`"
    )


def test_the_table_lists_exactly_the_settings_and_their_defaults() -> None:
    table = table_of((REPOSITORY / "README.md").read_text())
    assert table.keys() == VARIABLES.keys()
    for name, field in VARIABLES.items():
        expected = shown_default(field)
        assert table[name] == expected if expected else not table[name].startswith("`"), name


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_other_pages_name_only_what_there_is(page: Path) -> None:
    text = page.read_text()
    named = set(re.findall(r"\bPIPEDRIVE_[A-Z0-9_]*[A-Z]\b", text))
    assert named <= VARIABLES.keys()
    for name, default in table_of(text).items():
        expected = shown_default(VARIABLES[name]) if name in VARIABLES else None
        assert expected is None or default == expected, name


def test_the_example_lists_exactly_the_settings() -> None:
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    given = [line.removeprefix("# ") for line in lines if re.match(r"(# )?[A-Z0-9_]+=", line)]
    listed = [line.partition("=")[0] for line in given]
    assert sorted(listed) == sorted(VARIABLES)


def test_the_example_is_read_as_it_is(bare: Path) -> None:
    (bare / ".env").write_text((REPOSITORY / ".env.example").read_text())
    assert Settings.read(bare) == DEFAULTS
    uncommented = re.sub(
        r"^# (?=[A-Z0-9_]+=)", "", (REPOSITORY / ".env.example").read_text(), flags=re.MULTILINE
    )
    (bare / ".env").write_text(uncommented)
    assert Settings.read(bare).publish == Path("data/published.duckdb")


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_nothing_else_reads_the_environment() -> None:
    reading = re.compile(r"\bos\.(environ|getenv|putenv)|\bgetenv\(|dotenv|\bload_env")
    readers = {
        str(file.relative_to(PACKAGE)) for file in PACKAGE.rglob("*.py") if reading.search(file.read_text())
    }
    assert readers == {"settings.py"}


def test_a_wrong_file_ends_a_command_with_a_sentence(bare: Path) -> None:
    (bare / ".env").write_bytes("# Schlüssel\n".encode("cp1252"))
    program = Path(sys.executable).with_name("pipedrive-orchestration")
    ended = subprocess.run(
        [program, "connect"], cwd=bare, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{bare / '.env'}, line 1, holds a letter in an encoding other than UTF-8")
    assert len(ended.stderr.splitlines()) == 1


def test_relative_paths_are_meant_from_a_folder(tmp_path: Path) -> None:
    given = Settings(staging=Path("staged"), publish=tmp_path / "published.duckdb")
    whole = given.from_folder(tmp_path / "crm")
    assert (whole.project, whole.home) == (tmp_path / "crm" / "project", tmp_path / "crm")
    assert whole.warehouse == str(tmp_path / "crm" / "data" / "warehouse.duckdb")
    assert (whole.staging, whole.publish) == (tmp_path / "crm" / "staged", tmp_path / "published.duckdb")
    assert given.but(staging=None, publish=None).from_folder(tmp_path).publish is None
    assert Settings(warehouse="md:crm").from_folder(tmp_path).warehouse == "md:crm"


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (("ducklake:data/crm.ducklake", "files"), ("ducklake:{}/data/crm.ducklake", "{}/files")),
        (
            ("ducklake:postgres:dbname=crm", "s3://crm/lake"),
            ("ducklake:postgres:dbname=crm", "s3://crm/lake"),
        ),
    ],
)
def test_relative_paths_of_a_lake_are_meant_from_a_folder(
    given: tuple[str, str], whole: tuple[str, str], tmp_path: Path
) -> None:
    found = Settings(warehouse=given[0], warehouse_data=given[1]).from_folder(tmp_path)
    assert (found.warehouse, found.warehouse_data) == tuple(text.format(tmp_path) for text in whole)


def test_the_catalogue_of_a_lake_may_be_in_the_home_folder() -> None:
    found = Settings.from_variables({"PIPEDRIVE_WAREHOUSE": "ducklake:~/crm.ducklake"}).warehouse
    assert found == f"ducklake:{Path.home() / 'crm.ducklake'}"
