"""The door of the CRM export service, called as its documentation calls it; and the page of the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.models.catalogue import Entry, keep_entries
from pipedrive_orchestration.models.exports import EXPORTS
from pipedrive_orchestration_tests.api.conftest import StartApi, variables_of
from pipedrive_orchestration_tests.api.serving import Api, running_api
from pipedrive_orchestration_tests.clocks import PRESENT
from pipedrive_orchestration_tests.instances import dagster_instance

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

FIELDS = {
    "persons": "id name first_name last_name email phone org_id owner_id add_time update_time visible_to "
    "label cc_email",
    "organizations": "id name address address_country owner_id people_count open_deals_count "
    "closed_deals_count won_deals_count lost_deals_count add_time update_time visible_to label cc_email",
    "deals": "id title value currency status stage_id stage_order_nr pipeline_id person_id org_id owner_id "
    "expected_close_date add_time update_time close_time won_time lost_time visible_to probability "
    "lost_reason",
    "notes": "id content add_time update_time user deal person organization pinned_to_deal_flag "
    "pinned_to_person_flag pinned_to_organization_flag",
    "pipelines": "id name url_title order_nr active deal_probability add_time update_time selected",
    "stages": "id order_nr name active_flag deal_probability pipeline_id rotten_flag rotten_days add_time "
    "update_time pipeline_name",
}


def needed() -> dict[str, set[str]]:
    """What the exports need, by object type."""
    properties: dict[str, set[str]] = {}
    for export in EXPORTS.values():
        for kind, names in export.needs.items():
            properties.setdefault(kind, set()).update(names)
    return properties


@pytest.fixture(scope="module")
def imported(demo: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with all that exports need."""
    folder = tmp_path_factory.mktemp("exports")
    with dagster_instance() as instance, running_api(folder, instance, variables_of(demo)) as api:
        for kind, names in needed().items():
            options = {"options": {"partitions_start": f"{PRESENT:%Y-%m}"}} if kind not in _WHOLE else {}
            source = api.add(
                name=kind, object_type=kind, properties=sorted(names), pull_mode="static", **options
            )
            api.run_import(source)
        yield api


_WHOLE = ("pipelines", "stages", "users")


def export(api: Api, kind: str, key: str | None = "all", **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.secrets[key]}"} if key else {}
    return api.client.get(f"/v1/e/pipedrive/export/{kind}", params=query, headers=headers)


def everything(api: Api, kind: str, limit: int) -> list[dict[str, Any]]:
    """The loop of the documentation."""
    records, start, more = [], 0, True
    while more:
        query: dict[str, Any] = {"start": start} if start else {}
        answered = export(api, kind, limit=limit, **query).json()
        assert answered["success"] is True
        assert answered["message"] == "SUCCESS"
        records += answered["data"]
        pagination = answered["pagination"]
        assert (pagination["start"], pagination["limit"]) == (start, limit)
        more, start = pagination["more_items_in_collection"], pagination["next_start"]
    assert start is None
    return records


@pytest.mark.parametrize("kind", FIELDS)
def test_every_record_comes_once_with_the_fields_that_clients_know(
    imported: Api, demo: DemoServer, kind: str
) -> None:
    records = everything(imported, kind, limit=7 if kind in ("pipelines", "stages") else 100)
    with demo.account.lock:
        there = {
            record["id"]
            for record in demo.account[kind]
            if not (
                record.get("is_deleted") or record.get("is_archived") or record.get("active_flag") is False
            )
        }
    assert [record["id"] for record in records] == sorted(there)
    assert {tuple(record) for record in records} == {tuple(FIELDS[kind].split())}
    times = [
        value
        for record in records
        for name, value in record.items()
        if name.endswith("_time") and value is not None
    ]
    assert times
    assert [value for value in times if not TIME.fullmatch(value)] == []


def test_references_have_their_names(imported: Api, demo: DemoServer) -> None:
    with demo.account.lock:
        names = {
            kind: {one["id"]: one for one in demo.account[kind]} for kind in ("persons", "organizations")
        }
        deals = {one["id"]: one for one in demo.account["deals"]}
    seen = 0
    for record in everything(imported, "deals", limit=500):
        deal = deals[record["id"]]
        for key, kind in (("person_id", "persons"), ("org_id", "organizations")):
            if deal[key] is None:
                assert record[key] is None
            elif not names[kind].get(deal[key], {"is_deleted": True})["is_deleted"]:
                assert record[key] == {"name": names[kind][deal[key]]["name"], "value": deal[key]}
                seen += 1
        assert set(record["owner_id"]) == {"id", "name", "email"}
        assert record["value"] == deal["value"]
    assert seen > 20
    (person, *_) = [one for one in everything(imported, "persons", limit=500) if one["email"]]
    assert set(person["email"][0]) == {"value", "label", "primary"}
    (note, *_) = [one for one in everything(imported, "notes", limit=500) if one["deal"]]
    assert set(note["deal"]) == {"title", "id"}
    (stage, *_) = everything(imported, "stages", limit=500)
    assert isinstance(stage["pipeline_name"], str)


def test_removals_between_two_pages_make_no_record_be_missed(imported: Api) -> None:
    whole = [record["id"] for record in everything(imported, "persons", limit=500)]
    first = export(imported, "persons", limit=10).json()
    with imported.context.warehouse.writing() as connection:
        connection.execute("UPDATE pipedrive.persons SET _is_current = false WHERE _id = ?", [whole[3]])
    try:
        second = export(imported, "persons", limit=10, start=first["pagination"]["next_start"]).json()
    finally:
        with imported.context.warehouse.writing() as connection:
            connection.execute("UPDATE pipedrive.persons SET _is_current = true WHERE _id = ?", [whole[3]])
    assert [one["id"] for one in [*first["data"], *second["data"]]] == whole[:20]


def test_the_defaults_are_those_of_the_documentation(imported: Api) -> None:
    pagination = export(imported, "persons").json()["pagination"]
    assert (pagination["start"], pagination["limit"]) == (0, 100)
    assert export(imported, "persons", limit=100_000).json()["pagination"]["limit"] == 500


def failed(answered: httpx.Response) -> tuple[int, dict[str, Any]]:
    return answered.status_code, answered.json()


def test_errors_are_in_the_services_envelope(imported: Api, start_api: StartApi) -> None:
    assert failed(export(imported, "invalid_type")) == (
        400,
        {
            "success": False,
            "message": "Invalid type. Allowed types: persons, organizations, deals, notes, pipelines, stages",
            "error": "INVALID_TYPE",
        },
    )
    for query in ({"limit": 0}, {"limit": "x"}, {"start": -1}, {"start": "1e3"}):
        status, body = failed(export(imported, "deals", **query))
        assert (status, body["error"]) == (400, "INVALID_PARAMETER")
    status, body = failed(export(imported, "deals", key=None))
    assert (status, body["success"], body["error"]) == (401, False, "UNAUTHORIZED")
    nobody = start_api(None, requests_per_minute=2)
    assert failed(export(nobody, "deals")) == (
        401,
        {
            "success": False,
            "message": "User oauth token not found. Please redirect to login",
            "error": "TOKEN_NOT_FOUND",
        },
    )
    export(nobody, "deals")
    assert failed(export(nobody, "deals")) == (
        429,
        {
            "success": False,
            "message": "Rate limit exceeded. Please try again later.",
            "error": "RATE_LIMIT_EXCEEDED",
        },
    )


def test_what_the_project_does_not_import_is_named(start_api: StartApi, demo: DemoServer) -> None:
    api = start_api(demo)
    api.run_import(api.add(name="Stages", object_type="stages", properties=["name"], pull_mode="static"))
    status, body = failed(export(api, "stages"))
    assert (status, body["error"]) == (502, "EXTERNAL_API_ERROR")
    assert "add order_nr, deal_probability" in body["message"]
    assert "add a source of pipelines without filters" in body["message"]


def test_a_token_that_pipedrive_refuses_is_told(start_api: StartApi, demo: DemoServer) -> None:
    api = start_api(None, variables={"PIPEDRIVE_API_URL": demo.url, "PIPEDRIVE_API_TOKEN": "0" * 40})
    assert failed(export(api, "deals")) == (
        401,
        {"success": False, "message": "TOKEN_INVALIDATED", "error": "TOKEN_INVALIDATED"},
    )


def test_the_report_is_a_page_for_who_may_read(imported: Api) -> None:
    def page(key: str | None = "all", **query: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {imported.secrets[key]}"} if key else {}
        return imported.client.get("/report", params=query, headers=headers)

    assert page(None).status_code == 401
    assert page("workflows:read").status_code == 403
    missing = page()
    assert missing.status_code == 503
    assert "models build" in missing.json()["message"]
    with imported.context.warehouse.writing() as connection:
        connection.execute("CREATE SCHEMA models")
        connection.execute("CREATE TABLE models.pipeline_board AS SELECT '<b>' AS pipeline, 3 AS open_deals")
        connection.execute("INSERT INTO models.pipeline_board VALUES ('Other', 4)")
        keep_entries(
            connection, [Entry("pipeline_board", "Open & told.", {"open_deals": "<i>"}, None, PRESENT)]
        )
    shown = page(pipeline="<b>")
    assert shown.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;" in shown.text
    assert "Other" not in shown.text
    assert "<b>" not in shown.text
    assert "<i>" not in shown.text
