"""The template of a new folder, from the project's files to Dagster's configuration.

A checkout has these files at its top and works with them there; a wheel carries a copy of them inside the
package. This module imports nothing but the standard library, since the build of the wheel uses it too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

NAME = "template"
"""The folder of the wheel's copy, inside the package."""

EXAMPLE = ".env.example"
SECRETS = ".env"
"""The file that a user writes secrets into; it begins as a copy of ``.env.example``."""

CONFIGURATION = "dagster.yaml"
"""Dagster's own settings, by which all that it writes is below ``.state``."""

WORKSPACE = "workspace.yaml"
"""The code locations that Dagster loads."""

PARTS = (EXAMPLE, ".gitignore", CONFIGURATION, "project", WORKSPACE)
"""The files and folders of the template."""

_PACKAGE = Path(__file__).parent


class NotLaidOutError(Exception):
    """A working folder that nobody has laid out."""

    def __init__(self, folder: Path, missing: str) -> None:
        super().__init__(
            f"There is no {missing} in {folder}. Change to the folder of your project, or lay this one out "
            "with `pipedrive-orchestration init`, which adds what is missing and changes nothing."
        )


def template_folder() -> Path:
    """The folder of the template: inside the installed package, or at the top of the checkout.

    Raises:
        FileNotFoundError: the installation is not complete.
    """
    for folder in (_PACKAGE / NAME, _PACKAGE.parent):
        if all((folder / part).exists() for part in PARTS):
            return folder
    raise FileNotFoundError(
        f"The template is missing from {_PACKAGE}. Install the package again: pip install --force-reinstall "
        "pipedrive-orchestration"
    )


def template_files(folder: Path) -> Iterator[Path]:
    """The files of the template in ``folder``, relative to it.

    What running leaves in the project folder of a checkout is not among them; its names begin with a dot.
    """
    for part in PARTS:
        inside = sorted((folder / part).rglob("*")) if (folder / part).is_dir() else [folder / part]
        for path in inside:
            relative = path.relative_to(folder)
            if path.is_file() and not any(name.startswith(".") for name in relative.parts[1:]):
                yield relative


@dataclass(frozen=True, slots=True)
class Layout:
    """The outcome of laying out a folder.

    Attributes:
        written: names of files and folders that are new.
        kept: names of those that were there and are as they were.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]


def lay_out(folder: Path) -> Layout:
    """Copy the template into a folder, which is made if need be, with a ``.env`` for its owner only.

    Nothing that is there is changed, and a folder ``project`` that is there gets no further files.

    Raises:
        OSError: the folder cannot be written.
    """
    template = template_folder()
    folder.mkdir(parents=True, exist_ok=True)
    done = {part: _copy(template, Path(part), folder / part) for part in PARTS}
    done[SECRETS] = _copy_file(template / EXAMPLE, folder / SECRETS, mode=0o600)
    return Layout(
        written=tuple(name for name, is_new in done.items() if is_new),
        kept=tuple(name for name, is_new in done.items() if not is_new),
    )


def _copy(template: Path, part: Path, target: Path) -> bool:
    """Copy a file or folder of the template to a place where there is none; gives whether there was none."""
    if (template / part).is_file():
        return _copy_file(template / part, target, mode=0o666)
    if target.exists():
        return False
    # A folder that is half copied would be kept as it is from then on.
    with tempfile.TemporaryDirectory(prefix=f".{part.name}.new.", dir=target.parent) as temporary:
        for file in template_files(template):
            if file.is_relative_to(part):
                _copy_file(template / file, Path(temporary) / file, mode=0o666)
        (Path(temporary) / part).rename(target)
    return True


def _copy_file(source: Path, target: Path, *, mode: int) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(target, "xb", opener=partial(os.open, mode=mode)) as new:
            new.write(source.read_bytes())
    except FileExistsError:
        return False
    return True
