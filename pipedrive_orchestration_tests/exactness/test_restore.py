"""The backup and restore of docs/reliability.md."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipedrive_orchestration.warehouse.publish import Publisher
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.exactness.trial import Trial


def test_a_published_copy_put_back_goes_on_from_where_it_was(tmp_path: Path, fresh_demo: FreshDemo) -> None:
    trial = Trial(fresh_demo(), tmp_path)
    source = trial.source("products", properties=("id", "name"))
    trial.windows(source)
    path, backup = trial.warehouse.path, tmp_path / "backup.duckdb"
    assert path is not None
    Publisher(trial.warehouse, backup, 0).publish()
    trial.demo.write("POST", "/api/v2/products", {"name": "Since the backup"})
    trial.changes(source)
    assert trial.differences(source) == []
    shutil.copyfile(backup, path)
    path.chmod(0o600)
    assert trial.differences(source)
    trial.changes(source)
    assert trial.differences(source) == []
