"""The values for Dagster's chart, against its own schema; by Helm itself where there is one."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml

pytestmark = pytest.mark.scale

VALUES = Path(__file__).parents[2] / "deploy" / "kubernetes-values.yaml"
CHART = "https://dagster-io.github.io/helm"
SCHEMA = f"https://raw.githubusercontent.com/dagster-io/dagster/{version('dagster')}/helm/dagster"


def fetched(address: str) -> Any:
    try:
        answer = httpx.get(address, timeout=20, follow_redirects=True).raise_for_status()
    except httpx.HTTPError as error:
        pytest.skip(f"the chart cannot be fetched: {error}")
    return answer


def test_the_values_fit_the_schema_of_the_chart() -> None:
    """With its own values below ours, as Helm puts them together."""
    schema = fetched(f"{SCHEMA}/values.schema.json").json()
    usual = yaml.safe_load(fetched(f"{SCHEMA}/values.yaml").text)
    jsonschema.validate(merged(usual, yaml.safe_load(VALUES.read_text())), schema)


def merged(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: merged(below.get(key), above.get(key, below.get(key))) for key in below | above}
    return above


def test_helm_renders_the_values() -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("there is no helm here")
    fetched(f"{CHART}/index.yaml")
    command = [helm, "template", "pipedrive", "dagster", "--repo", CHART, "--version", version("dagster"),
               "-f", str(VALUES)]  # fmt: skip
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kinds = [each["kind"] for each in yaml.safe_load_all(rendered) if each]
    assert kinds.count("Deployment") >= 3
    assert "DatabaseSnapshotStorage" in rendered
