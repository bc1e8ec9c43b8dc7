"""OAuth tokens in a database: one refresh for all machines, and nothing of them in an error."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import NotConnected, OAuthStateError
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.servers import Server, postgresql

pytestmark = pytest.mark.scale

MACHINES = 8


@pytest.fixture
def database() -> Iterator[Server]:
    with postgresql() as server:
        yield server


def connection_of(account: DemoServer, installed: str, address: str, home: Path) -> Connection:
    """As one machine has it, with a home of its own.

    Args:
        account: what it connects to.
        installed: the refresh token of the installation, after which the account gives others.
        address: of the database.
        home: of the machine.
    """
    return Connection.from_settings(
        Settings.from_variables(
            {
                "PIPEDRIVE_OAUTH_CLIENT_ID": account.oauth.client_id,
                "PIPEDRIVE_OAUTH_CLIENT_SECRET": account.oauth.client_secret,
                "PIPEDRIVE_OAUTH_REFRESH_TOKEN": installed,
                "PIPEDRIVE_OAUTH_URL": account.url,
                "PIPEDRIVE_OAUTH_DATABASE": address,
                "DAGSTER_HOME": str(home),
            }
        )
    )


def test_one_machine_refreshes_for_all(fresh_demo: FreshDemo, database: Server, tmp_path: Path) -> None:
    account = fresh_demo()
    installed = account.oauth.refresh_token
    address = f"postgresql://crm@127.0.0.1:{database.port}/postgres"

    def tokens(number: int) -> str:
        oauth = connection_of(account, installed, address, tmp_path / str(number)).oauth
        assert oauth is not None
        return oauth.tokens().access_token

    with ThreadPoolExecutor(MACHINES) as machines:
        found = set(machines.map(tokens, range(MACHINES)))
    assert len(found) == 1
    assert [request.path for request in account.account.requests].count("/oauth/token") == 1
    assert list(tmp_path.rglob("*.json")) == []
    database.kill()
    with pytest.raises(OAuthStateError, match="PIPEDRIVE_OAUTH_DATABASE can be reached") as unreachable:
        tokens(0)
    assert found.pop() not in str(unreachable.value)
    database.start()
    assert len({tokens(number) for number in range(3)}) == 1
    assert [request.path for request in account.account.requests].count("/oauth/token") == 1


def test_an_address_with_a_password_is_refused(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="holds a password") as refused:
        connection_of(fresh_demo(), "of-the-installation", "postgresql://crm:hunter2@127.0.0.1/crm", tmp_path)
    assert "hunter2" not in str(refused.value)
