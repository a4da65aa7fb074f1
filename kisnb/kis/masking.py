"""Removes secrets from texts that leave a process: logs, errors, dead letters, recordings.

Client and simulator both use this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

HIDDEN = "***"
"""The text that replaces a secret."""
SECRET_FIELDS = frozenset(
    {
        "appkey",
        "appsecret",
        "secretkey",
        "authorization",
        "token",
        "access_token",
        "approval_key",
        "cano",
        # These two decrypt the execution notices of a connection.
        "key",
        "iv",
    }
)
"""Fields of requests and replies whose values are never written."""


class Mask:
    """Knows secrets and removes them from texts. Its own repr shows none of them."""

    def __init__(self, *secrets: str) -> None:
        self._secrets: list[str] = []
        self.keep(*secrets)

    def keep(self, *secrets: str) -> None:
        """Add secrets to hide from now on, also where they are percent-encoded in a URL."""
        if all(secret in self._secrets for secret in secrets):
            return
        # A secret may also be part of an address, in its percent-encoded spelling.
        spellings = {*self._secrets, *secrets, *(quote(s, safe="") for s in secrets)} - {""}
        # Longer secrets come first: a secret that is part of a longer secret must not be replaced
        # before the longer one is found.
        self._secrets = sorted(spellings, key=lambda s: (-len(s), s))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def fields(self, fields: Mapping[str, object]) -> dict[str, str]:
        """Return names and values as text, without secrets or the values of secret fields."""
        return {
            # KIS writes the same field in upper case in requests and in lower case in replies. A
            # name may also contain a secret, if a client puts one there.
            self.text(name): HIDDEN if name.lower() in SECRET_FIELDS else self.text(str(value))
            for name, value in fields.items()
        }

    def tree(self, value: object) -> object:
        """Return a JSON value without secrets at any depth."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {
                    self.text(str(name)): HIDDEN
                    if str(name).lower() in SECRET_FIELDS
                    else self.tree(item)
                    for name, item in value.items()
                }
            case list() | tuple():
                return [self.tree(item) for item in value]
        return value
