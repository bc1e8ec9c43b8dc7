"""Which account, and as whom: what the environment may say."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pipedrive_orchestration.pipedrive.auth import Connection
from pipedrive_orchestration.pipedrive.errors import NotConnected
from pipedrive_orchestration.settings import Settings

TOKEN = "0123456789" * 4


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", "https://api.pipedrive.com"),
        ("  ", "https://api.pipedrive.com"),
        ("https://acme.pipedrive.com", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/api/v2", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/api/v2/", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/v1", "https://acme.pipedrive.com"),
        ("https://acme.pipedrive.com/api/v1", "https://acme.pipedrive.com"),
        ("http://127.0.0.1:9500", "http://127.0.0.1:9500"),
    ],
)
def test_the_address_is_the_base_of_both_versions(written: str, meant: str) -> None:
    assert Connection.of(written, TOKEN) == Connection(meant, TOKEN)


@pytest.mark.parametrize(
    "wrong",
    [
        "acme.pipedrive.com",
        "ftp://acme.pipedrive.com",
        "https://",
        "http://host:port",
        "http://host:99999",
        "https://user:secret@acme.pipedrive.com",
        f"https://acme.pipedrive.com?api_token={TOKEN}",
        f"acme.pipedrive.com/?api_token={TOKEN}",
        "https://acme\n.pipedrive.com",
    ],
)
def test_what_is_no_address_is_refused_without_showing_secrets(wrong: str) -> None:
    with pytest.raises(NotConnected, match="PIPEDRIVE_API_URL") as caught:
        Connection.of(wrong, TOKEN)
    assert "secret" not in str(caught.value)
    assert TOKEN[:8] not in str(caught.value)


@pytest.mark.parametrize("token", ["", "   ", "two words", "tökén", "line\nbreak", "tab\tbed"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(NotConnected, match="User is not connected to 'pipedrive'") as caught:
        connection_of({"PIPEDRIVE_API_TOKEN": token})
    assert not token.strip() or token not in str(caught.value)


def connection_of(variables: Mapping[str, str]) -> Connection:
    return Connection.from_settings(Settings.from_variables(variables))


def test_the_environment_is_read() -> None:
    environment = {"PIPEDRIVE_API_URL": "https://acme.pipedrive.com", "PIPEDRIVE_API_TOKEN": f" {TOKEN}\n"}
    assert connection_of(environment) == Connection("https://acme.pipedrive.com", TOKEN)
    assert TOKEN not in repr(connection_of(environment))
