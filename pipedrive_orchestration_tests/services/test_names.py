from __future__ import annotations

from uuid import UUID

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipedrive_orchestration.services.names import DagsterNames, PrefixError
from pipedrive_orchestration.sources.model import is_slug

ID = UUID("50f2de20-c9dc-5dbb-b41b-2cff29c164f0")
PARTS = [
    "a",
    "b",
    "_",
    "__",
    "acme",
    "pipedrive",
    "workflow",
    "workflows",
    "actions",
    "schedule",
    "of",
    "own",
]
WORDS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map("".join)


def test_an_account_that_is_alone_has_the_names_that_it_always_had() -> None:
    names = DagsterNames()
    assert names.asset_key("deals") == dg.AssetKey(["pipedrive", "deals"])
    assert names.op("deals") == "pipedrive__deals"
    assert names.schedule("deals") == "deals_schedule"
    assert names.source_tag("deals") == "deals"
    assert names.initial_import_tag(ID) == str(ID)
    assert names.state_key == "ImportSources"
    assert names.project_files_key == dg.AssetKey("project_files")
    assert names.status_key == dg.AssetKey("status")
    assert names.account_key == dg.AssetKey(["pipedrive", "account"])
    assert names.workflow_key("outreach") == dg.AssetKey(["workflows", "outreach"])
    assert names.outputs_key("outreach") == dg.AssetKey(["workflows", "outreach", "outputs"])
    assert names.workflow_op("outreach") == "workflows__outreach"
    assert names.outputs_op("outreach") == "workflow_actions__outreach"
    assert names.actions_job("outreach") == "outreach_actions"
    assert names.own("initial_import_sensor") == "initial_import_sensor"


@pytest.mark.parametrize(
    "prefix", ["", "Acme", "a-b", "a b", "1a", "_a", "a_", "a__b", "workflow", "workflows_x", "my_schedule",
               "schedule", "actions", "a/b", "ä"],
)  # fmt: skip
def test_a_prefix_under_which_names_could_meet_is_refused(prefix: str) -> None:
    with pytest.raises(PrefixError, match="such as `acme`"):
        DagsterNames(prefix)


def names_of(names: DagsterNames, slugs: list[str]) -> list[list[str]]:
    """All that must be unique in a code location, by kind."""
    ops = [name(slug) for slug in slugs for name in (names.op, names.workflow_op, names.outputs_op)]
    top = [name(slug) for slug in slugs for name in (names.schedule, names.actions_job)]
    fixed = [names.own(name) for name in ("initial_import_sensor", "create_import_source", "warehouse")]
    keys = [
        key(slug).to_user_string()
        for slug in slugs
        for key in (names.asset_key, names.workflow_key, names.outputs_key)
    ]
    tags = [names.source_tag(slug) for slug in slugs]
    of_project = (names.project_files_key, names.status_key, names.account_key)
    return [ops, top + fixed, [*keys, *(key.to_user_string() for key in of_project)], tags]


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=4, unique=True))
def test_accounts_never_meet_whatever_their_slugs(prefixes: list[str], slugs: list[str]) -> None:
    mixed = {f"{one}{joint}{other}" for one in (*prefixes, *slugs) for other in (*prefixes, *slugs)
             for joint in ("__", "_", "_schedule__", "_of_")}  # fmt: skip
    mixed |= {f"{one}_{kind}_" for one in slugs for kind in ("schedule", "actions")}
    slugs = [slug for slug in {*slugs, *mixed} if is_slug(slug)]
    accounts = [DagsterNames(prefix) for prefix in {*prefixes, "pipedrive", "acme"} if is_prefix(prefix)]
    for kind in zip(*(names_of(names, slugs) for names in accounts), strict=True):
        every = [name for names in kind for name in names]
        assert len(set(every)) == len(every), every


def is_prefix(text: str) -> bool:
    try:
        DagsterNames(text)
    except PrefixError:
        return False
    return True
