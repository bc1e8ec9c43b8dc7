"""Carries the template into the wheel, whose files otherwise are the package's alone."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TemplateInWheel(BuildHookInterface[Any]):
    """Adds the files that ``pipedrive_orchestration.template`` names; an editable install needs no copy."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds a wheel."""
        if version == "editable":
            return
        root = Path(self.root)
        package = Path("pipedrive_orchestration")
        template = runpy.run_path(str(root / package / "template.py"))
        for file in template["template_files"](root):
            build_data["force_include"][str(root / file)] = str(package / template["NAME"] / file)
