"""An import that is skipped since its collection is closed: every command says so, and none fails."""

from __future__ import annotations

import json

from pipedrive_orchestration_tests.cli.conftest import Project
from pipedrive_orchestration_tests.importing.accounts import account
from pipedrive_orchestration_tests.importing.canned import DENIED, TOKEN, serving

ROLES = {
    "name": "Roles",
    "object_type": "roles",
    "properties": ["name"],
    "pull_mode": "active",
    "schedule": "@daily",
}
REASON = "skipped: roles need a token of an administrator"


def test_a_skipped_import_is_said_everywhere_and_fails_nowhere(project: Project) -> None:
    project.write("roles", ROLES)
    with serving(account("roles", []) | {"/v1/roles": lambda _: DENIED}) as served:
        project.reach(served.url, TOKEN)
        ended = project.run("import", "roles", "--json")
        previewed = project.run("preview", "project/sources/roles.yaml")
    told = json.loads(ended.out)
    assert (ended.code, told["state"], told["rows"]["current"]) == (0, "skipped", 0)
    assert told["note"].startswith(REASON)
    assert previewed.code == 1
    assert "may not read this" in previewed.err
    assert "skipped" in project.run("show", "roles").out
    (overview,) = json.loads(project.run("status", "--json").out)["sources"]
    assert overview["last_success"] is None
    assert overview["late_seconds"] == 0
    assert any(REASON in remedy for remedy in overview["remedies"])
