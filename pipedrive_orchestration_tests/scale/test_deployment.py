"""Several hosts, as `make scale` runs them: a back-fill over all, and one after the other is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipedrive_orchestration.demo import DemoServer, Settings, running_demo
from pipedrive_orchestration_tests.orchestration.live import truth, wait_for
from pipedrive_orchestration_tests.scale.cluster import Cluster, Host, running_servers, source_of
from pipedrive_orchestration_tests.servers import Server

pytestmark = pytest.mark.scale

WINDOWS_PER_RUN = 5


@pytest.fixture(scope="module")
def account() -> Iterator[DemoServer]:
    # Slow enough for something to happen in the middle of a back-fill; two workers meet the burst limit.
    with running_demo(Settings(scale=0.3, burst=20)) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(account: DemoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    weed = next(Path(duckdb.__file__).parents[1].glob("bin/weed"), None)
    with running_servers(weed) as servers, pytest.MonkeyPatch.context() as patched:
        for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(servers[0].port), "PGUSER": "crm"}.items():
            patched.setenv(name, value)
        cluster = Cluster(
            tmp_path_factory.mktemp("cluster"), account, servers,
            environment={"PIPEDRIVE_WINDOWS_PER_RUN": str(WINDOWS_PER_RUN)},
        )  # fmt: skip
        for object_type in ("persons", "deals", "organizations", "activities", "products", "notes"):
            cluster.write(object_type, **source_of(object_type))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def back_fill(cluster: Cluster, slug: str) -> str:
    return cluster.backfill(slug, cluster.partitions(slug)["all"])


def runs_of(cluster: Cluster, backfill: str) -> list[str]:
    return [run["status"] for run in cluster.backfill_state(backfill)["runs"]]


def under_way(cluster: Cluster, backfill: str) -> bool:
    return "STARTED" in runs_of(cluster, backfill)


def at_work(cluster: Cluster) -> list[Host]:
    """The workers that have read pages and not committed them yet."""
    return [host for host in cluster.workers if list((host.folder / "staging").rglob("*.parquet"))]


def end_of(cluster: Cluster, backfill: str) -> dict[str, object]:
    state = wait_for(
        "end of the back-fill",
        lambda: (
            state
            if (state := cluster.backfill_state(backfill))["status"]
            in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED"}
            else None
        ),
        seconds=300,
        pause=1,
    )
    return dict(state)


def gone_on_with(cluster: Cluster, slug: str) -> None:
    """What is red is asked for again, as a person would, until nothing is."""
    for _ in range(3):
        left = set(cluster.partitions(slug)["all"]) - set(cluster.partitions(slug)["green"])
        if not left:
            return
        end_of(cluster, cluster.backfill(slug, sorted(left)))
    raise AssertionError(f"{slug}: {cluster.partitions(slug)}\n{cluster.log()}")


def assert_right(cluster: Cluster, account: DemoServer, slug: str) -> None:
    # A note that is gone says so in its own way.
    gone = {note["id"] for note in account.account.records(slug) if note.get("active_flag") is False}
    assert cluster.rows(slug) == truth(account, slug) - gone, cluster.log()


def test_a_back_fill_goes_over_all_workers(cluster: Cluster, account: DemoServer) -> None:
    state = end_of(cluster, back_fill(cluster, "persons"))
    assert state["status"] == "COMPLETED_SUCCESS", cluster.log()
    assert_right(cluster, account, "persons")
    worked = [host.name for host in cluster.workers if (host.folder / "staging").is_dir()]
    assert len(worked) > 1, worked
    assert not list(cluster.folder.rglob("*.parquet"))


def test_a_worker_is_killed_in_the_middle(cluster: Cluster, account: DemoServer) -> None:
    backfill = back_fill(cluster, "deals")
    killed = wait_for("pages of a run", lambda: at_work(cluster), seconds=90, pause=0.05)
    for worker in killed:
        worker.kill()
    try:
        state = end_of(cluster, backfill)
    finally:
        for worker in killed:
            worker.start()
    assert "FAILURE" in runs_of(cluster, backfill), state
    gone_on_with(cluster, "deals")
    assert_right(cluster, account, "deals")


@pytest.mark.parametrize(("server", "slug"), [("broker", "organizations"), ("storage", "products")])
def test_redis_or_s3_is_killed_in_the_middle(
    cluster: Cluster, account: DemoServer, server: str, slug: str
) -> None:
    backfill = back_fill(cluster, slug)
    wait_for("run", lambda: under_way(cluster, backfill), seconds=90, pause=0.2)
    killed: Server = getattr(cluster, server)
    killed.kill()
    killed.start()
    end_of(cluster, backfill)
    gone_on_with(cluster, slug)
    assert_right(cluster, account, slug)


def test_the_daemon_is_killed_in_the_middle(cluster: Cluster, account: DemoServer) -> None:
    backfill = back_fill(cluster, "activities")
    wait_for("run", lambda: under_way(cluster, backfill), seconds=90, pause=0.2)
    cluster.host("daemon").kill()
    cluster.host("daemon").start()
    assert end_of(cluster, backfill)["status"] == "COMPLETED_SUCCESS", cluster.log()
    assert_right(cluster, account, "activities")


def test_postgresql_is_killed_in_the_middle(cluster: Cluster, account: DemoServer) -> None:
    """Dagster's state and the lake's catalogue are both in it."""
    backfill = back_fill(cluster, "notes")
    wait_for("run", lambda: under_way(cluster, backfill), seconds=90, pause=0.2)
    cluster.database.kill()
    cluster.database.start()
    for name in ("daemon", "code", "web"):
        host = cluster.host(name)
        if host.process is not None and host.process.poll() is not None:
            # As systemd, compose and Kubernetes do.
            host.kill()
            host.start()
    wait_for("running deployment", cluster.answers, seconds=120)
    end_of(cluster, backfill)
    gone_on_with(cluster, "notes")
    assert_right(cluster, account, "notes")


def test_several_workers_keep_the_limits_of_one_account(account: DemoServer) -> None:
    """All of the back-fills above, by the headers of the answers alone."""
    refused = sum(request.status == 429 for request in account.account.requests)
    assert refused <= 0.1 * len(account.account.requests)
