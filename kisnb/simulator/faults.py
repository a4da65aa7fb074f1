"""What a simulated host does wrong because it was told to, next and so many times."""

from __future__ import annotations

from collections import deque

from kisnb.kis.error_codes import CODES

SOCKET_CODES = "OPSP"
"""Codes of the stream begin so; all others are those of REST."""


class Faults:
    """Taken one by one by the parts of the host that are to fail."""

    def __init__(self) -> None:
        self._calls: deque[str] = deque()
        self._requests: deque[str | None] = deque()

    def refuse(self, msg_cd: str, times: int) -> None:
        """Answer the next calls, or with a code of the stream the next socket requests, with this code.

        Raises KeyError for a code that nobody knows.
        """
        CODES[msg_cd]
        (self._requests if msg_cd.startswith(SOCKET_CODES) else self._calls).extend([msg_cd] * times)

    def be_silent(self, times: int) -> None:
        """Neither do nor answer the next socket requests."""
        self._requests.extend([None] * times)

    def of_call(self) -> str:
        """The code that this REST call gets; empty when it goes well."""
        return self._calls.popleft() if self._calls else ""

    def of_request(self) -> str | None:
        """The code that this socket request gets; empty when it goes well, None when nothing is said."""
        return self._requests.popleft() if self._requests else ""
