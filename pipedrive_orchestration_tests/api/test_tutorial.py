"""The tutorial of docs/api.md, word for word."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration_tests.api.conftest import StartApi
from pipedrive_orchestration_tests.api.serving import Api, write_workflow
from pipedrive_orchestration_tests.api.web_server import web_server

ROOT = Path(__file__).parents[2]


@pytest.fixture
def served(start_api: StartApi, demo: DemoServer) -> Iterator[Api]:
    """An API with a workflow, whose imports run at once."""
    with web_server() as dagster:
        api = start_api(demo, dagster_url=dagster.url)
        dagster.runs = lambda slug: api.run_import(api.store.load().find(slug))
        write_workflow(api)
        yield api


@pytest.mark.skipif(not (which("curl") and which("jq")), reason="the tutorial is made of curl and jq")
def test_the_tutorial_runs_as_it_is_written(served: Api, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    script = "set -e\n" + "".join(blocks).replace("http://127.0.0.1:8000", served.url)
    # The tutorial has no keys; its reader here has one.
    (tmp_path / ".curlrc").write_text(f'header = "Authorization: Bearer {served.secrets["all"]}"\n')
    done = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"CURL_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '{"total_results":' in done.stdout
    assert "Did you mean `persons`?" in done.stdout
    assert '"reference":"{{input.first_name}}"' in done.stdout
    assert '{"state":"synced",' in done.stdout
    assert '{"status":"paused","next_tick":null}\n{"status":"active","next_tick":"' in done.stdout
    assert '"deleted"\n' in done.stdout
    assert "402\nThe first import costs up to" in done.stdout
