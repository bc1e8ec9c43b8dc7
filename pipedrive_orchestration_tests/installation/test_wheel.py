"""The wheel carries the package and the template, each file as it is in the checkout, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

CHECKOUT = Path(__file__).parents[2]
PACKAGE = "pipedrive_orchestration"
TEMPLATE = f"{PACKAGE}/template"
AT_THE_TOP = (".env.example", ".gitignore", "dagster.yaml", "workspace.yaml")
LEFT_BY_RUNNING = ("project/.first_seen.json", "project/.holds.json", "project/sources/.deals.yaml.new.x")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is built from, in which somebody has worked."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in (PACKAGE, "project"):
        shutil.copytree(CHECKOUT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*AT_THE_TOP, "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / file, folder)
    for file in (*LEFT_BY_RUNNING, ".env", "data/warehouse.duckdb", f"{PACKAGE}/__pycache__/x.pyc"):
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("PIPEDRIVE_API_TOKEN=secret")
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    (path,) = WheelBuilder(str(checkout)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    with ZipFile(path) as opened:
        yield opened


def carried(wheel: ZipFile) -> dict[str, bytes]:
    return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def test_it_carries_package_and_template(wheel: ZipFile) -> None:
    modules = {
        path.relative_to(CHECKOUT)
        for end in ("py", "yaml")
        for path in (CHECKOUT / PACKAGE).rglob(f"*.{end}")
    }
    project = [path for path in (CHECKOUT / "project").rglob("[!.]*") if path.is_file()]
    template = {Path(name) for name in AT_THE_TOP} | {path.relative_to(CHECKOUT) for path in project}
    expected = {str(path): (CHECKOUT / path).read_bytes() for path in modules}
    expected |= {f"{TEMPLATE}/{path}": (CHECKOUT / path).read_bytes() for path in template}
    assert carried(wheel) == {**expected, f"{PACKAGE}/py.typed": b""}


def test_it_carries_nothing_that_running_has_left(wheel: ZipFile) -> None:
    assert not [name for name, content in carried(wheel).items() if b"API_TOKEN=secret" in content]


def test_it_has_the_command_and_the_licence(wheel: ZipFile) -> None:
    of_metadata = {
        name.split(".dist-info/", 1)[-1]: name for name in wheel.namelist() if ".dist-info/" in name
    }
    scripts = wheel.read(of_metadata["entry_points.txt"]).decode()
    assert f"pipedrive-orchestration = {PACKAGE}.cli:main" in scripts
    assert "licenses/LICENSE" in of_metadata
