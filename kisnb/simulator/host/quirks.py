"""Variants of KIS's behaviour where reports differ.

``--quirks`` chooses those that a host plays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from kisnb.errors import BadInput
from kisnb.kis.feed.notices import NARROW
from kisnb.kis.modes import HOST_RULES
from kisnb.simulator.host.personas import Persona
from kisnb.terms import Mode, OrderKind
from kisnb.values import near_names


class Quirk(NamedTuple):
    """A variant: a sentence about it, its source, and the fields of a persona that it changes."""

    text: str
    source: str
    changes: Mapping[str, object]


_ONE = "one public client"
_SEVERAL = "several public clients"
_DOUBTFUL = "reports differ"
QUIRKS: dict[str, Quirk] = {
    "midnight-expiry": Quirk(
        "tokens end at Korean midnight, not when they say", _ONE, {"token_ends_at_midnight": True}
    ),
    "one-token": Quirk("a new access token ends the one before it", _DOUBTFUL, {"one_token": True}),
    "token401": Quirk("a refused token is HTTP 401, not 500", _DOUBTFUL, {"token_status": 401}),
    "token200": Quirk(
        "a refused token is HTTP 200, not 500", "KIS's samples handle it", {"token_status": 200}
    ),
    "new-customer": Quirk(
        "3 calls a second, as in a customer's first three days",
        "notice of 2026-03-20",
        {"rates": ((date.min, 3),)},
    ),
    "ledger": Quirk(
        "more than 10 account calls a second get EGW00215", _SEVERAL, {"ledger_rate": 10}
    ),
    "full-page": Quirk(
        "a full last page of holdings says that more follow; the next page gets SYDB0050",
        _ONE,
        {"full_page_says_more": True},
    ),
    "no-old-trs": Quirk(
        "TR ids of before 2025 are refused", "KIS's workbook: may be blocked", {"old_trs": False}
    ),
    "approval-ends-socket": Quirk(
        "a new approval key ends the connection made with the last one",
        _DOUBTFUL,
        {"one_approval": True},
    ),
    "three-registrations": Quirk(
        "3 registrations on a connection, not 41", _ONE, {"registrations": 3}
    ),
    "lingering": Quirk("a lost connection holds the appkey for 90 s more", _ONE, {"lingers": 90}),
    "in-use-rt1": Quirk("OPSP8996 comes with rt_cd 1, not 9", _DOUBTFUL, {"in_use_rt_cd": "1"}),
    "ping-cut": Quirk(
        "a connection that leaves PINGPONG unanswered for 30 s is cut",
        "general knowledge",
        {"answer_ping_within": 30},
    ),
    "encrypt-n": Quirk(
        "execution notices are announced with encrypt N, as documented, not Y",
        "KIS's workbook",
        {"notice_encrypt": "N"},
    ),
    "notice23": Quirk(
        "execution notices of 23 columns, not 26", "KIS's own example", {"notice_layout": NARROW}
    ),
    "notice-kind00": Quirk(
        "fills say kind 00 whatever the order was", _ONE, {"notice_limit_always": True}
    ),
    "old-columns": Quirk(
        "the columns of KIS's samples of before 2026-09-14 on every day",
        "KIS's samples",
        {"columns_of": date(2026, 9, 11), "workbook_columns": True},
    ),
    "workbook-columns": Quirk(
        "depths of 60 columns on KRX (before 2026-09-14: 59) and 65 on NXT, not 63 and 62",
        "KIS's workbook",
        {"workbook_columns": True},
    ),
    "paper-kinds": Quirk(
        "the paper host takes every kind of order",
        _DOUBTFUL,
        {"rules": msgspec.structs.replace(HOST_RULES[Mode.PAPER], kinds=tuple(OrderKind))},
    ),
    "unpadded-msg1": Quirk("msg1 without trailing blanks", _SEVERAL, {"pads_msg1": False}),
    "short-odno": Quirk(
        "order replies give ODNO without zeros",
        "one public client, on paper",
        {"pads_numbers": False},
    ),
    "unordered-numbers": Quirk(
        "every second order number is 900,000 higher, so that numbers do not rise",
        "KIS documents no order of numbers",
        {"numbers_rise": False},
    ),
    "lower-keys": Quirk(
        "order replies in lower-case keys",
        "KIS's table, not its example",
        {"order_keys_lower": True},
    ),
}
"""All variants by name. Those with ``paper`` in their name change the paper host only."""


def read_quirks(text: str) -> tuple[str, ...]:
    """Return the names of a list that is separated by commas.

    Raises BadInput for an unknown name.
    """
    names = tuple(name for name in (part.strip() for part in text.split(",")) if name)
    for name in names:
        if name not in QUIRKS:
            # A misspelt name is the usual mistake.
            near = near_names(name, QUIRKS)
            hint = f"did you mean {near[0]}" if near else f"take some of {', '.join(QUIRKS)}"
            raise BadInput(f"{name!r} is not a valid quirk", hint)
    return names


def with_quirks(persona: Persona, names: tuple[str, ...]) -> Persona:
    """Return the persona with these variants. A later one wins over an earlier one."""
    changes: dict[str, object] = {}
    for name in names:
        # A live host with a paper quirk stays a live host.
        if not name.startswith("paper") or persona.mode is Mode.PAPER:
            changes |= QUIRKS[name].changes
    return msgspec.structs.replace(persona, **changes)
