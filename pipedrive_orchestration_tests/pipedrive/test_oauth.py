"""Signing in as an installed app: refreshing, rotating, taking turns, and what is said when it ends."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pipedrive_orchestration.demo import DemoServer
from pipedrive_orchestration.importing import property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import NotConnected, OAuthStateError, Unavailable
from pipedrive_orchestration.settings import Settings
from pipedrive_orchestration_tests.conftest import FreshDemo
from pipedrive_orchestration_tests.pipedrive.asking import SOON, as_page
from pipedrive_orchestration_tests.pipedrive.asking import ask_calmly as ask

NOT_CONNECTED = "User is not connected to 'pipedrive'."


def connection_of(variables: Mapping[str, str]) -> Connection:
    return Connection.from_settings(Settings.from_variables(variables))


def variables(account: DemoServer, home: Path) -> dict[str, str]:
    """What a user sets; no address of the API among it."""
    return {
        "PIPEDRIVE_OAUTH_CLIENT_ID": account.oauth.client_id,
        "PIPEDRIVE_OAUTH_CLIENT_SECRET": account.oauth.client_secret,
        "PIPEDRIVE_OAUTH_REFRESH_TOKEN": account.oauth.refresh_token,
        "PIPEDRIVE_OAUTH_URL": account.url,
        "DAGSTER_HOME": str(home),
    }


def kept(home: Path) -> Path:
    """The file of the tokens."""
    (file,) = (home / ".state" / "oauth").glob("*.json")
    return file


def asked(account: DemoServer) -> Counter[tuple[str, int]]:
    return Counter((request.path, request.status) for request in account.account.requests)


DEALS = "/api/v2/deals"
TOKEN = "/oauth/token"

ABOUT_TO_END = 30
"""Seconds of an access token that is good for a request and not for keeping."""


def test_requests_go_to_the_domain_that_the_tokens_name(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    connection = connection_of(variables(account, tmp_path))
    assert connection.url == "https://api.pipedrive.com"
    (first, second), client = ask(connection, as_page, times=2)
    assert len(first.records) == len(second.records) == 1
    assert asked(account) == {(TOKEN, 200): 1, (DEALS, 200): 2}
    assert (client.usage.requests, client.usage.tokens) == (2, 20)


def test_tokens_outlive_the_client(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    environment = variables(account, tmp_path)
    for _ in range(3):
        ask(connection_of(environment), as_page)
    assert asked(account) == {(TOKEN, 200): 1, (DEALS, 200): 3}


def test_a_rotated_refresh_token_is_kept_where_only_its_owner_reads(
    fresh_demo: FreshDemo, tmp_path: Path
) -> None:
    account = fresh_demo(oauth_seconds=ABOUT_TO_END)
    environment = variables(account, tmp_path)
    for _ in range(3):
        ask(connection_of(environment), as_page)
        assert json.loads(kept(tmp_path).read_bytes())["refresh_token"] == account.oauth.refresh_token
    assert account.oauth.refresh_token != environment["PIPEDRIVE_OAUTH_REFRESH_TOKEN"]
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert {path.suffix for path in kept(tmp_path).parent.iterdir()} == {".json", ".lock"}


def test_the_address_is_read_anew_at_each_refresh(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo(oauth_seconds=ABOUT_TO_END)
    connection = connection_of(variables(account, tmp_path))
    account.oauth.api_domain = "http://127.0.0.1:1"
    with pytest.raises(Unavailable):
        ask(connection, as_page, patience=SOON)
    account.oauth.api_domain = account.url.replace("127.0.0.1", "localhost") + "/api/v2/"
    assert ask(connection, as_page)
    assert json.loads(kept(tmp_path).read_bytes())["api_domain"].startswith("http://localhost:")


@pytest.mark.parametrize("ended", ["revoked", "over"])
def test_an_access_token_that_ends_early_is_renewed_once(
    fresh_demo: FreshDemo, tmp_path: Path, ended: str
) -> None:
    account = fresh_demo()
    connection = connection_of(variables(account, tmp_path))
    ask(connection, as_page)
    if ended == "revoked":
        account.oauth.revoke_access()
    else:
        account.account.clock.advance(timedelta(hours=2))
    (page,), _ = ask(connection, as_page)
    assert page.records
    assert asked(account) == {(TOKEN, 200): 2, (DEALS, 200): 2, (DEALS, 401): 1}


def test_many_requests_that_are_refused_together_renew_once(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    connection = connection_of(variables(account, tmp_path))
    property_options("deals", connection=connection)
    account.oauth.revoke_access()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: ask(connection, as_page)[0][0], range(8)))
    assert all(page.records for page in found)
    assert account.oauth.refreshes == 2


_ASKING = """
import sys
from pipedrive_orchestration.importing import property_options
from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.settings import Settings
for _ in range(3):
    property_options("deals", connection=Connection.from_settings(Settings.read()))
"""


def test_processes_take_turns(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo(oauth_seconds=ABOUT_TO_END)
    others = {name: value for name, value in os.environ.items() if not name.startswith("PIPEDRIVE_")}
    environment = others | variables(account, tmp_path)
    started = [
        subprocess.Popen([sys.executable, "-c", _ASKING], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert ended == [("", 0)] * 3
    # Every refresh gives another refresh token, so one that was used twice would have ended a process.
    assert asked(account).keys() >= {(TOKEN, 200)}
    assert not [request for request in account.account.requests if request.status >= 400]
    assert account.oauth.refreshes >= 9


def test_what_one_process_was_given_the_next_one_uses(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    environment = variables(account, tmp_path)
    ask(connection_of(environment), as_page)
    stored = json.loads(kept(tmp_path).read_bytes())
    kept(tmp_path).write_text(json.dumps(stored | {"expires_at": time.time() + 30}))
    with ThreadPoolExecutor(4) as threads:
        list(
            threads.map(
                lambda _: ask(connection_of(environment), as_page),
                range(4),
            )
        )
    assert account.oauth.refreshes == 2, "a token about to end is renewed early, and by one of them"


def test_a_damaged_file_is_passed_over(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    environment = variables(account, tmp_path)
    ask(connection_of(environment), as_page)
    kept(tmp_path).write_text('{"access_token": "v1u')
    with pytest.raises(NotConnected, match="already exchanged"):
        ask(connection_of(environment), as_page)
    renewed = environment | {"PIPEDRIVE_OAUTH_REFRESH_TOKEN": account.oauth.refresh_token}
    assert ask(connection_of(renewed), as_page)


def test_a_new_grant_counts_before_what_is_kept_of_the_old_one(fresh_demo: FreshDemo, tmp_path: Path) -> None:
    account = fresh_demo()
    old = variables(account, tmp_path)
    ask(connection_of(old), as_page)
    account.oauth.uninstall()
    account.oauth.refresh_token = "1:1:of-the-new-installation"
    with pytest.raises(NotConnected):
        ask(connection_of(old), as_page)
    assert ask(connection_of(variables(account, tmp_path)), as_page)


def test_an_uninstalled_app_says_how_to_connect(
    fresh_demo: FreshDemo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    account = fresh_demo()
    environment = variables(account, tmp_path)
    connection = connection_of(environment)
    with caplog.at_level(logging.DEBUG):
        ask(connection, as_page)
        account.oauth.uninstall()
        with pytest.raises(NotConnected) as caught:
            ask(connection, as_page)
    said = str(caught.value)
    assert said.startswith(NOT_CONNECTED)
    assert "refresh token" in said
    assert "Install the app" in said
    assert "PIPEDRIVE_OAUTH_REFRESH_TOKEN" in said
    assert asked(account)[TOKEN, 400] == 1
    stored = json.loads(kept(tmp_path).read_bytes())
    told = f"{said} {connection!r} {caplog.text}"
    for secret in (
        environment["PIPEDRIVE_OAUTH_CLIENT_SECRET"],
        environment["PIPEDRIVE_OAUTH_REFRESH_TOKEN"],
        stored["access_token"],
        stored["refresh_token"],
    ):
        assert secret not in told


def test_a_wrong_app_is_told_from_a_wrong_refresh_token(demo: DemoServer, tmp_path: Path) -> None:
    wrong = variables(demo, tmp_path) | {"PIPEDRIVE_OAUTH_CLIENT_SECRET": "of another app"}
    with pytest.raises(NotConnected, match="Check PIPEDRIVE_OAUTH_CLIENT_ID and") as caught:
        ask(connection_of(wrong), as_page)
    assert "of another app" not in str(caught.value)


def test_a_host_without_oauth_is_said(demo: DemoServer, tmp_path: Path) -> None:
    wrong = variables(demo, tmp_path) | {"PIPEDRIVE_OAUTH_URL": f"{demo.url}/elsewhere"}
    with pytest.raises(NotConnected, match="PIPEDRIVE_OAUTH_URL is wrong"):
        ask(connection_of(wrong), as_page)


def test_a_host_of_oauth_that_is_down_is_tried_again(demo: DemoServer, tmp_path: Path) -> None:
    down = variables(demo, tmp_path) | {"PIPEDRIVE_OAUTH_URL": "http://127.0.0.1:1"}
    with pytest.raises(Unavailable, match=r"POST http://127\.0\.0\.1:1/oauth/token"):
        ask(connection_of(down), as_page, patience=SOON)


def test_a_folder_that_cannot_be_written_is_said_before_a_token_is_used(
    fresh_demo: FreshDemo, tmp_path: Path
) -> None:
    account = fresh_demo()
    (tmp_path / ".state").write_text("a file, where a folder should be")
    with pytest.raises(OAuthStateError, match=r"cannot be kept in .*\.state/oauth"):
        ask(connection_of(variables(account, tmp_path)), as_page)
    assert account.oauth.refreshes == 0


def test_what_is_missing_is_named_all_at_once() -> None:
    with pytest.raises(NotConnected) as caught:
        Connection.from_settings(
            Settings.from_variables({"PIPEDRIVE_OAUTH_CLIENT_ID": "app", "PIPEDRIVE_OAUTH_URL": "oauth.host"})
        )
    said = str(caught.value)
    assert "PIPEDRIVE_OAUTH_CLIENT_SECRET is not set. PIPEDRIVE_OAUTH_REFRESH_TOKEN is not set." in said
    assert "PIPEDRIVE_OAUTH_URL is not an address" in said


def test_an_api_token_counts_before_an_app(tmp_path: Path, demo: DemoServer) -> None:
    both = variables(demo, tmp_path) | {"PIPEDRIVE_API_TOKEN": "c0ffee", "PIPEDRIVE_API_URL": demo.url}
    assert connection_of(both) == Connection(demo.url, "c0ffee")
