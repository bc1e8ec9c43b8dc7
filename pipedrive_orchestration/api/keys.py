"""Keys of the API, of which only salted hashes are kept.

``PIPEDRIVE_API_KEYS`` holds one entry for each key, separated by commas or blanks::

    <name>/<scope>+<scope>/<salt>/<hash>
    reporting/sources:read+workflows:read/9f0c.../5b1e...

``salt`` is 16 random bytes in hex and ``hash`` the HMAC-SHA256 of the key under that salt. A fast hash
suffices: a key is 256 random bits, so there is nothing to guess. The name stands in the access log.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

KEY_PREFIX = "pok_"
"""The beginning of every key, by which one that was left lying about can be recognised."""

_SALT_BYTES = 16
_KEY_BYTES = 32
_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]{1,64})/(?P<scopes>[a-z:+]+)/(?P<salt>[0-9a-f]{32})/(?P<hash>[0-9a-f]{64})"
)


class Scope(StrEnum):
    """A group of calls that a key opens."""

    SOURCES_READ = "sources:read"
    SOURCES_WRITE = "sources:write"
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"
    WRITES_WRITE = "writes:write"


class InvalidKeysError(ValueError):
    """Keys that cannot be read; the message names the entries by number, never by content."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as far as it is kept.

    Attributes:
        name: stands for the key in the access log and has its own rate limit.
        scopes: what it opens.
    """

    name: str
    scopes: frozenset[Scope]
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    def __str__(self) -> str:
        """The entry as ``PIPEDRIVE_API_KEYS`` holds it."""
        scopes = "+".join(sorted(self.scopes))
        return f"{self.name}/{scopes}/{self.salt.hex()}/{self.digest.hex()}"


def new_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """Make a key: the secret to hand out, and what to keep of it.

    Raises:
        InvalidKeysError: the name is not made of letters, digits, ``_``, ``.`` and ``-``, or there are no
            scopes.
    """
    secret, salt = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES), secrets.token_bytes(_SALT_BYTES)
    key = ApiKey(name, frozenset(scopes), salt, _digest(secret, salt))
    if not key.scopes or not _ENTRY.fullmatch(str(key)):
        raise InvalidKeysError(
            f"{name!r} cannot be a key: a name of up to 64 letters, digits, _, . and -, and at least one "
            f"scope of {', '.join(Scope)}."
        )
    return secret, key


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """All keys that open the API."""

    keys: tuple[ApiKey, ...]

    @classmethod
    def parse(cls, text: str) -> ApiKeys:
        """Read the entries of ``PIPEDRIVE_API_KEYS``.

        Raises:
            InvalidKeysError: says which entries are wrong, and how.
        """
        entries = [entry for entry in re.split(r"[\s,]+", text) if entry]
        keys, wrong = [], []
        for number, entry in enumerate(entries, 1):
            try:
                keys.append(_key(entry))
            except ValueError as error:
                wrong.append(f"entry {number}: {error}")
        names = [key.name for key in keys]
        wrong += [
            f"the name {name} stands twice" for name in sorted({n for n in names if names.count(n) > 1})
        ]
        if wrong:
            raise InvalidKeysError(
                f"PIPEDRIVE_API_KEYS: {'; '.join(wrong)}. Make entries with "
                "`pipedrive-orchestration make-key NAME --scope sources:read`."
            )
        return cls(tuple(keys))

    def find(self, secret: str) -> ApiKey | None:
        """The key with that secret; takes as long for a wrong one as for a right one."""
        found = None
        for key in self.keys:
            if hmac.compare_digest(_digest(secret, key.salt), key.digest):
                found = key
        return found


def _digest(secret: str, salt: bytes) -> bytes:
    return hmac.digest(salt, secret.encode("utf-8", "surrogateescape"), hashlib.sha256)


def _key(entry: str) -> ApiKey:
    parts = _ENTRY.fullmatch(entry)
    if parts is None:
        raise ValueError("is not name/scopes/salt/hash")
    known = {scope.value: scope for scope in Scope}
    unknown = [scope for scope in parts["scopes"].split("+") if scope not in known]
    if unknown:
        raise ValueError(f"{' and '.join(unknown)} is none of {', '.join(known)}")
    scopes = frozenset(known[scope] for scope in parts["scopes"].split("+"))
    return ApiKey(parts["name"], scopes, bytes.fromhex(parts["salt"]), bytes.fromhex(parts["hash"]))
