"""One tree of errors; each is a sentence that ends with its cure.

Interrupted             a person interrupted the cell; no Exception, like KeyboardInterrupt
KisnbError
├── BadInput            what was typed cannot be meant: unknown code, quantity 0, off-tick price
│   ├── UnknownInstrument
│   └── NotOffered      the host of this mode does not do that
├── ConfigError         keys, folders, ports, configuration
│   └── FolderError     the state folder, or a file in it, cannot serve
├── NotOpen             no desk is open in this notebook
├── OrderRefused
│   ├── OrderDenied     refused by us, nothing was sent
│   ├── OrderRejected   refused by KIS or the exchange
│   └── OrderUnknown    sent or not: the desk is finding out; never send it again by hand
├── DeskError
│   ├── DeskBusy        another desk, or another notebook, holds what was asked for
│   └── DeskLost        the desk process is gone; its journal is not
└── KisError            KIS answered with an error, or did not answer
    ├── ApiError
    ├── FrameError      a body or a frame that cannot be read
    ├── TokenError
    └── LinkLost
        └── Unreachable no connection came about: nothing was sent
"""

from __future__ import annotations


def _sentence(text: str) -> str:
    text = text.rstrip(". ")
    # A name of a file, a parameter or a field stays as it is spelt.
    spelt = set(text.partition(" ")[0]) & set("_=/.(")
    return text if spelt else text[:1].upper() + text[1:]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", "!")) else f"{sentence}."


class _OneLine(BaseException):
    """An error of one line, with the cure in it."""

    def __init__(self, text: str, cure: str = "") -> None:
        self.text = _sentence(text)
        self.cure = _sentence(cure)
        super().__init__(" ".join(_ended(part) for part in (self.text, self.cure) if part))

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines instead of a traceback, still as a real error: Run All stops.
        return [f"{type(self).__name__}: {self}"]


class KisnbError(_OneLine, Exception):
    """Base of all that kisnb raises on purpose: one line, with the cure in it."""


class BadInput(KisnbError):
    """What was asked cannot be meant; nothing was sent."""


class UnknownInstrument(BadInput):
    """No listed issue has this code or name."""


class NotOffered(BadInput):
    """The host of this mode has no such call; it was not asked."""


class ConfigError(KisnbError):
    """Keys, folders, ports or configuration are missing or wrong."""


class FolderError(ConfigError):
    """The state folder, or a file in it, cannot serve; it may when somebody has mended it."""


class NotOpen(KisnbError):
    """No desk is open here."""


class Interrupted(_OneLine):
    """The cell was interrupted; orders already handed to the desk live on.

    Like KeyboardInterrupt it is no Exception: a loop around ``except Exception`` in the cell must not
    make the interrupt button useless.
    """


class OrderRefused(KisnbError):
    """An order that did not become live; ``key`` is its idempotency key."""

    def __init__(self, text: str, cure: str = "", *, key: str = "") -> None:
        super().__init__(text, cure)
        self.key = key


class OrderDenied(OrderRefused):
    """Refused by kisnb before anything was sent."""


class OrderRejected(OrderRefused):
    """Refused by KIS or the exchange; ``msg_cd`` is KIS's code."""

    def __init__(self, text: str, cure: str = "", *, key: str = "", msg_cd: str = "") -> None:
        super().__init__(text, cure, key=key)
        self.msg_cd = msg_cd


class OrderUnknown(OrderRefused):
    """Whether the order lives is not known yet; it is never sent again by kisnb."""


class DeskError(KisnbError):
    """The desk process refused or failed."""


class DeskBusy(DeskError):
    """Another process holds what was asked for."""


class DeskLost(DeskError):
    """The connection to the desk is gone; what was journaled is safe."""


class KisError(KisnbError):
    """KIS, or the simulator, answered with an error or did not answer."""


class ApiError(KisError):
    """KIS answered with ``rt_cd`` other than 0."""

    def __init__(self, text: str, cure: str = "", *, msg_cd: str = "", status: int = 200) -> None:
        super().__init__(text, cure)
        self.msg_cd = msg_cd
        self.status = status


class FrameError(KisError):
    """A body or a frame of KIS that cannot be read."""


class TokenError(KisError):
    """No access token could be had."""


class LinkLost(KisError):
    """The connection to KIS broke before an answer came."""


class Unreachable(LinkLost):
    """No connection to KIS came about: nothing was sent."""
