"""One tree of errors; each is a sentence that ends with its cure.

Interrupted             a person interrupted the cell; no Exception, like KeyboardInterrupt
KisnbError
├── BadInput            the input makes no sense: unknown code, quantity 0, off-tick price
│   ├── UnknownInstrument
│   ├── UnknownCall     KIS has no call of this name; an AttributeError too
│   └── NotOffered      the host of this mode has no such call
├── ConfigError         keys, folders, ports, configuration
│   └── FolderError     the state folder, or a file in it, cannot be used
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
    │   └── FieldError  a field of a reply that must be there is missing or cannot be read
    ├── TokenError
    └── LinkLost
        └── Unreachable no connection came about: nothing was sent
"""

from __future__ import annotations


def _sentence(text: str) -> str:
    """Return a text as a sentence: it begins with a capital letter and has no full stop."""
    # Texts of KIS (msg1) are padded with blanks, and some end with a full stop.
    text = text.rstrip(". ")
    # A name of a file, a parameter or a field stays as it is spelt.
    spelt = set(text.partition(" ")[0]) & set("_=/.(")
    return text if spelt else text[:1].upper() + text[1:]


def _ended(sentence: str) -> str:
    """Return a sentence with a full stop, unless it ends with ``?`` or ``!``."""
    return sentence if sentence.endswith(("?", "!")) else f"{sentence}."


class _OneLine(BaseException):
    """An error of one line that ends with its cure."""

    def __init__(self, text: str, cure: str = "") -> None:
        self.text = _sentence(text)
        """The event, as a sentence without a full stop."""
        self.cure = _sentence(cure)
        """The next step for a person, as a sentence without a full stop; empty for none."""
        super().__init__(" ".join(_ended(part) for part in (self.text, self.cure) if part))

    def _render_traceback_(self) -> list[str]:
        # IPython shows these lines instead of a traceback, still as a real error: Run All stops.
        return [f"{type(self).__name__}: {self}"]


class KisnbError(_OneLine, Exception):
    """The base of all errors that kisnb raises on purpose."""


class BadInput(KisnbError):
    """The input makes no sense. Nothing was sent."""


class UnknownInstrument(BadInput):
    """No listed issue has this code or name."""


class UnknownCall(BadInput, AttributeError):
    """KIS has no call of this name.

    It is an AttributeError too, because ``hasattr(session.api, name)`` must answer False.
    """


class NotOffered(BadInput):
    """KIS's server of this mode (sim, paper or live) has no such call. Nothing was sent."""


class ConfigError(KisnbError):
    """Keys, folders, ports or configuration are missing or wrong."""


class FolderError(ConfigError):
    """The state folder, or a file in it, cannot be used until a person repairs it."""


class NotOpen(KisnbError):
    """No desk is open in this notebook."""


class Interrupted(_OneLine):
    """A person interrupted the cell. Orders that the desk has received stay in the market.

    Like KeyboardInterrupt it is not an Exception. Otherwise a loop around ``except Exception`` in
    the cell would catch it, and the interrupt button would not work.
    """


class OrderRefused(KisnbError):
    """An order did not become live; ``key`` is its idempotency key."""

    def __init__(self, text: str, cure: str = "", *, key: str = "") -> None:
        super().__init__(text, cure)
        self.key = key


class OrderDenied(OrderRefused):
    """kisnb refused the order before anything was sent."""


class OrderRejected(OrderRefused):
    """KIS or the exchange refused the order; ``msg_cd`` is KIS's message code."""

    def __init__(self, text: str, cure: str = "", *, key: str = "", msg_cd: str = "") -> None:
        super().__init__(text, cure, key=key)
        self.msg_cd = msg_cd


class OrderUnknown(OrderRefused):
    """An order whose outcome is not known yet: KIS may have it. kisnb never sends it again."""


class DeskError(KisnbError):
    """The desk process refused or failed."""


class DeskBusy(DeskError):
    """Another desk or another notebook has what was asked for, such as an agent."""


class DeskLost(DeskError):
    """The connection to the desk is lost; its journal is safe."""


class KisError(KisnbError):
    """KIS, or the simulator, answered with an error or did not answer."""


class ApiError(KisError):
    """KIS answered with ``rt_cd`` other than 0.

    ``msg_cd`` is KIS's message code, and ``status`` the HTTP status.
    """

    def __init__(self, text: str, cure: str = "", *, msg_cd: str = "", status: int = 200) -> None:
        super().__init__(text, cure)
        self.msg_cd = msg_cd
        self.status = status


class FrameError(KisError):
    """A body or a frame of KIS cannot be read."""


class FieldError(FrameError):
    """A field that must be there is missing, empty or unreadable. kisnb never reads it as 0.

    ``call`` is the name of the call, and ``field`` KIS's name of the field.
    """

    def __init__(self, text: str, cure: str = "", *, call: str = "", field: str = "") -> None:
        super().__init__(text, cure)
        self.call = call
        self.field = field


class TokenError(KisError):
    """KIS gave no access token."""


class LinkLost(KisError):
    """The connection to KIS broke before an answer came."""


class Unreachable(LinkLost):
    """A connection to KIS could not be made. Nothing was sent."""
