"""Object types by files: a built-in one described so under another name has the same table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipedrive_orchestration.demo import running_demo
from pipedrive_orchestration.importing import property_options
from pipedrive_orchestration.pipedrive.catalogue import BUILT_IN
from pipedrive_orchestration.services.object_types import add_properties, try_object_type
from pipedrive_orchestration.sources import InMemoryKeyValues, Source, SourceStore
from pipedrive_orchestration_tests.conftest import account_settings
from pipedrive_orchestration_tests.exactness.trial import Trial

FILES = {
    # A list in one reading, whose records have types of their own.
    "tasks": "path: /api/v2/tasks\ntokens: 10\n",
    # Windows, and fields of the account.
    "products": """\
path: /api/v2/products   # the price list
tokens: 10
tokens_of_one: 1
bounds: below
custom_fields: nested
fields: {path: /api/v2/productFields, tokens: 10}
recents: product
""",
    # Children of a hundred parents a request.
    "deal_products": """\
path: /api/v2/deals/products
tokens: 10
parent:
  {object_type: deals, parameter: deal_ids, batch: 100, property: deal_id, counted: products_count, least: 1}
""",
    # Children without ids, in the path of each parent.
    "deal_followers": """\
path: /api/v2/deals/{parent}/followers
tokens: 10
id: user_id
parent: {object_type: deals, counted: followers_count, least: 1}
""",
    # Records that are the entries of an object.
    "user_connections": """\
path: /v1/userConnections
tokens: 20
paging: none
entries: {key: service, value: third_party_id}
id: service
id_type: text
""",
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with running_demo(account_settings(scale=0.005)) as demo:
        yield Project(Trial(demo, tmp_path_factory.mktemp("trial")), tmp_path_factory.mktemp("project"))


class Project:
    """A project folder whose object types are files, of which sources are read."""

    def __init__(self, trial: Trial, folder: Path) -> None:
        self.trial, self.folder = trial, folder
        (folder / "object_types").mkdir()
        (folder / "sources").mkdir()
        self.store = SourceStore(folder, InMemoryKeyValues(), clock=trial.clock)

    def describe(self, name: str, text: str) -> Path:
        path = self.folder / "object_types" / f"{name}.yaml"
        path.write_text(text)
        return path

    def source(self, slug: str, object_type: str, properties: list[str]) -> Source:
        listed = "".join(f"- {key}\n" for key in properties)
        text = f"name: x\nobject_type: {object_type}\npull_mode: static\nproperties:\n{listed}"
        (self.folder / "sources" / f"{slug}.yaml").write_text(text)
        return self.store.load().find(slug)

    def rows(self, source: Source) -> dict[str, dict[str, Any]]:
        """The table without what says when and by which import a row came."""
        own = {"_id", "_parent_id", "_parent_removed", "_is_current", "_removal", "_update_time"}
        return {
            one: {key: value for key, value in row.items() if key in own or not key.startswith("_")}
            for one, row in self.trial.rows(source).items()
        }


@pytest.mark.parametrize("name", FILES)
def test_a_file_makes_the_table_that_the_built_in_object_type_has(own: Project, name: str) -> None:
    path = own.describe(f"own_{name}", FILES[name])
    tried = try_object_type(own.folder, f"own_{name}", connection=own.trial.connection)
    built_in = BUILT_IN[name]
    always = [prop.key for prop in built_in.properties if not (prop.optional or prop.alone)]
    assert set(tried.new) == set(always)
    add_properties(path, tried.new)
    assert ("# the price list" in path.read_text()) == (name == "products")
    assert not own.store.load().bad_files

    found = property_options(f"own_{name}", connection=own.trial.connection, catalogue=own.store.catalogue)
    custom = [one["value"] for one in found if one["extras"]["is_custom"] and "of" not in one["extras"]]
    assert bool(custom) == (name == "products")
    if built_in.parent:
        counted = [key for key in (built_in.parent.counted,) if key]
        own.trial.windows(own.source("all_deals", "deals", ["title", *counted]))
    properties = [*always, *custom]
    ours, theirs = own.source(f"own_{name}", f"own_{name}", properties), own.source(name, name, properties)
    own.trial.windows(ours)
    report = own.trial.windows(theirs)
    assert own.rows(ours)
    assert own.rows(ours) == own.rows(theirs)
    assert report.quarantined == 0
