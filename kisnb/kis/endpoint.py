"""The addresses of KIS's hosts, and the rules that each host follows."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kisnb.kis.credentials import read_entries
from kisnb.kis.modes import HOST_RULES, HostRules
from kisnb.terms import Mode


class Endpoint(msgspec.Struct, frozen=True):
    """The addresses of one host, and the rules that it follows.

    ``persona`` is the mode whose TR ids and rules it has: a simulator plays live or paper.
    """

    rest: str
    """URL of the REST host, without a path."""
    ws: str
    """URL of the WebSocket host, without a path."""
    persona: Mode = Mode.LIVE
    spacing: float = 0.0
    """Seconds of wall time between two subscriptions; KIS's samples keep 0.05 to 0.1."""
    silence: float = 0.0
    """Seconds of wall time without any frame after which a connection counts as dead.

    0: never, because a simulated clock may stand still.
    """
    mode: Mode | None = None
    """The mode whose capabilities the host has. None: those of its persona.

    A simulator offers less than the host that it plays.
    """
    limit: int = 0
    """REST calls a second. 0: the number that is safe for this persona."""

    @classmethod
    def of(cls, mode: Mode) -> Endpoint:
        """Return KIS's own host for live or paper."""
        return HOSTS[mode]

    @classmethod
    def from_yaml(cls, path: Path, mode: Mode) -> Endpoint:
        """Return the host that a ``kis_devlp.yaml`` names for live or paper.

        KIS's own address is used when the file names none. Raises ConfigError.
        """
        entries, own = read_entries(path), HOSTS[mode]
        # The entries of KIS's samples: vps is 모의투자 (paper), prod is 실전투자 (live).
        rest, ws = ("vps", "vops") if mode is Mode.PAPER else ("prod", "ops")
        return cls(
            str(entries.get(rest) or own.rest),
            str(entries.get(ws) or own.ws),
            mode,
            # The file names addresses only. The pauses belong to KIS's server, whatever its
            # address.
            own.spacing,
            own.silence,
        )

    def limited(self, limit: int) -> Endpoint:
        """Return the same host with another limit of REST calls a second; 0: the safe number."""
        return msgspec.structs.replace(self, limit=limit)

    @property
    def calls_per_second(self) -> int:
        """REST calls a second that the limiter lets through."""
        return self.limit or CALLS_PER_SECOND[self.persona]

    @property
    def rules(self) -> HostRules:
        """The rules of this host."""
        return HOST_RULES[self.mode or self.persona]


SILENCE = 60.0
"""Wall seconds without a frame after which a connection to KIS counts as dead.

KIS sends PINGPONG every few to some tens of seconds; clients commonly wait 60 to 180 s.
"""
HOSTS = {
    Mode.LIVE: Endpoint(
        "https://openapi.koreainvestment.com:9443",
        "ws://ops.koreainvestment.com:21000",
        Mode.LIVE,
        spacing=0.05,
        silence=SILENCE,
    ),
    Mode.PAPER: Endpoint(
        "https://openapivts.koreainvestment.com:29443",
        "ws://ops.koreainvestment.com:31000",
        Mode.PAPER,
        spacing=0.05,
        silence=SILENCE,
    ),
}
"""KIS's own hosts (workbook; kis_devlp.yaml of KIS's samples)."""
CALLS_PER_SECOND = {Mode.LIVE: 15, Mode.PAPER: 1}
"""REST calls a second and appkey that are safe.

KIS allows 18 at live and 1 at paper since 2026-04-20 (KIS notice of that day). It counts on its
side of the network, where calls bunch up, and refuses some at the exact limit.
"""
