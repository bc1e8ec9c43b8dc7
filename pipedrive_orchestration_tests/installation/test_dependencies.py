"""What the code imports is what pyproject.toml declares, no more and no less."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
OURS = {"benchmarks", "pipedrive_orchestration", "pipedrive_orchestration_tests"}
TESTS = ("benchmarks", "pipedrive_orchestration_tests")

NEEDED_BY_OTHERS = {
    "pytz": "DuckDB imports it to fetch an instant with its time zone",
    "sniffio": "httpcore asks it at every request, and all folders are searched where it is missing",
    "python-multipart": "Starlette reads the uploads of the demo account with it",
}
"""Declared though no file of ours names them, and why."""

INSTALLED_APART = {"dlt": "the peer of a benchmark, which makes an environment of its own for it"}
"""Imported though not declared, and why."""


@pytest.fixture(scope="module")
def declared() -> dict[str, set[str]]:
    """Names of distributions: those of the package, of its extras, and of the group ``dev``."""
    read: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    extras = [one for extra in read["project"]["optional-dependencies"].values() for one in extra]
    groups = {
        "package": read["project"]["dependencies"],
        "extras": extras,
        "dev": read["dependency-groups"]["dev"],
    }
    return {
        name: {canonicalize_name(Requirement(one).name) for one in group} for name, group in groups.items()
    }


def files_of(folders: Iterable[str]) -> list[Path]:
    return [path for folder in folders for path in (CHECKOUT / folder).rglob("*.py")]


@cache
def imported(*folders: str) -> set[str]:
    """Dotted names of modules of others that files import, wherever in them."""
    names = {name for file in files_of(folders) for name in _imports(ast.parse(file.read_text()))}
    return {name for name in names if name.partition(".")[0] not in OURS | sys.stdlib_module_names}


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def distributions_of(modules: Iterable[str]) -> set[str]:
    """The distributions that the modules come from."""
    known = _installed()
    return {canonicalize_name(one) for module in modules for one in _owners(module, known)}


@cache
def _installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def _owners(module: str, known: Mapping[str, list[str]]) -> list[str]:
    # A namespace such as `ruamel` belongs to several; the one that is named like the module has it.
    owners = known.get(module.partition(".")[0], [f"{module} (not installed)"])
    like_it = [one for one in owners if canonicalize_name(one) == canonicalize_name(module.replace(".", "-"))]
    return like_it or owners


def test_the_package_uses_only_what_it_declares(declared: dict[str, set[str]]) -> None:
    used = distributions_of(imported("pipedrive_orchestration"))
    assert used - declared["package"] - declared["extras"] == set()


def test_the_package_uses_all_that_it_declares(declared: dict[str, set[str]]) -> None:
    files = files_of(["pipedrive_orchestration"])
    text = "\n".join(file.read_text() for file in files)
    # Some are started as a program, `python -m <module>`, or imported where they are needed.
    started = set(re.findall(r'(?:"-m", |import_module\()"([\w.]+)"', text))
    used = distributions_of(
        imported("pipedrive_orchestration") | {name for name in started if name.partition(".")[0] not in OURS}
    )
    assert declared["package"] - used - set(NEEDED_BY_OTHERS) == set()
    assert not used & set(NEEDED_BY_OTHERS), "named after all"


def test_tests_and_benchmarks_use_only_what_is_declared(declared: dict[str, set[str]]) -> None:
    modules = {name for name in imported(*TESTS) if name.partition(".")[0] not in INSTALLED_APART}
    assert distributions_of(modules) - declared["package"] - declared["dev"] == set()


def test_tools_are_declared_because_they_are_used(declared: dict[str, set[str]]) -> None:
    commands = (CHECKOUT / "Makefile").read_text() + (CHECKOUT / "pyproject.toml").read_text()
    used = distributions_of(imported(*TESTS))
    stubs = {one for one in declared["dev"] if one.startswith("types-") or one.endswith("-stubs")}
    programs = {one for one in declared["dev"] if f"$(BIN)/{one}" in commands or f"[tool.{one}]" in commands}
    linter = {"import-linter"} if "[tool.importlinter]" in commands else set()
    # So that types and tests see what an extra brings.
    assert declared["dev"] - used - stubs - programs - linter - declared["extras"] == set()


def test_the_pythons_that_are_named_are_those_that_are_tested() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    named = [text.removeprefix(prefix) for text in project["classifiers"] if text.startswith(prefix)]
    workflow = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text())
    assert named == workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={named[0]}"
