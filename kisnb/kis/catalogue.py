"""The REST APIs of KIS: paths, TR ids, parameters and replies.

Client and simulator use this one table. ``catalogue.json`` has KIS's documentation, one API a line.
It is read when a call is first looked up. Its source is the workbook of KIS's developer portal of
2026-02-21. ``ROW_KEYS`` adds a fact that the workbook lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Literal, TypeAlias

import msgspec

from kisnb.terms import Mode

OAUTH = "/oauth2"
"""Paths of the calls that issue keys begin with this."""

FieldKind: TypeAlias = Literal["t", "n", "d"]
"""Text, whole number or decimal number. In KIS's messages all are strings."""
_NOTHING: dict[FieldKind, str] = {"t": "", "n": "0", "d": "0.00"}


class Field(msgspec.Struct, frozen=True, array_like=True):
    """One field of a reply.

    The name is spelt as in KIS's messages. Label and note are KIS's Korean ones.
    """

    name: str
    kind: FieldKind
    label: str
    note: str = ""


class Param(msgspec.Struct, frozen=True, array_like=True):
    """One parameter of a request. The name is spelt exactly as in KIS's messages."""

    name: str
    required: bool
    label: str
    note: str = ""


class Block(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """One ``output`` of a reply: an object, or an array of them."""

    name: str
    shape: Literal["object", "array"]
    fields: tuple[Field, ...]
    also: str = ""
    """The block's second name in KIS's documentation and examples; empty when there is none."""

    @cached_property
    def empty(self) -> dict[str, str]:
        """The text that KIS sends for no value, by field: ``"0"`` for numbers, ``""`` for texts."""
        return {field.name: _NOTHING[field.kind] for field in self.fields}


class Api(msgspec.Struct, frozen=True):
    """One call. Parameter names are exactly as on the wire."""

    name: str
    title: str
    """KIS's Korean name."""
    method: Literal["GET", "POST"]
    path: str
    tr_live: str
    """TR id at the live host. Empty for the OAuth calls, which carry no ``tr_id``."""
    tr_paper: str
    """TR id at the paper host. Empty for the OAuth calls, and for calls that it does not offer."""
    params: tuple[str, ...]
    optional: frozenset[str]
    """Parameters that KIS lets a client leave out."""
    documented: tuple[Param, ...]
    """The parameters with their labels."""
    blocks: tuple[Block, ...]
    msg_cd: str
    """The ``msg_cd`` of a successful call.

    It decides nothing, because ``rt_cd`` alone says whether a call was successful.
    """
    msg1: str
    """The ``msg1`` of a successful call."""
    is_order: bool
    """True for a call that moves money: it is sent once, never again."""
    ctx: tuple[str, ...]
    """The parameters with the keys of the next page: search condition, then position."""
    tr_cont: bool
    """True when the reply's header ``tr_cont`` says that more pages follow."""
    row_key: tuple[str, ...]
    """The fields of ``row_block`` that identify a row of a paged reply. Empty: all fields."""
    row_block: str
    """The first block of the reply that is an array; empty when there is none."""

    @property
    def paged(self) -> bool:
        """True when the call has pages: a request for the next one carries the last page's keys."""
        return bool(self.ctx)

    def block(self, name: str) -> Block:
        """Return the block of this name. Raises KeyError when the reply has none."""
        for block in self.blocks:
            if block.name == name:
                return block
        raise KeyError(f"{self.name} has no {name}")

    @property
    def post(self) -> bool:
        """True for a POST: orders and keys."""
        return self.method == "POST"

    def tr_id(self, persona: Mode) -> str:
        """Return the TR id that the server of ``persona`` accepts."""
        # The table has both ids. KIS's samples replace the first letter by V for paper. That is
        # wrong for quotes, whose id is the same at both hosts (workbook).
        return self.tr_paper if persona is Mode.PAPER else self.tr_live


ROW_KEYS: dict[str, tuple[str, ...]] = {
    # A stock may have several rows: one for shares paid in cash, one for each day of a loan.
    "inquire_balance": ("pdno", "trad_dvsn_name", "loan_dt"),
    "inquire_balance_rlz_pl": ("pdno", "trad_dvsn_name", "loan_dt"),
    # KIS counts order numbers by day and branch, so the number alone does not identify a row.
    "inquire_daily_ccld": ("ord_dt", "ord_gno_brno", "odno"),
    "inquire_daily_ccld_old": ("ord_dt", "ord_gno_brno", "odno"),
    "inquire_psbl_rvsecncl": ("ord_gno_brno", "odno"),
    "order_resv_ccnl": ("rsvn_ord_seq",),
    "inquire_period_profit": ("trad_dt",),
    "chk_holiday": ("bass_dt",),
}
"""By call: the fields that identify a row. A row that comes twice shows that pages have moved."""


class _CatalogueLine(msgspec.Struct, frozen=True):
    """A line of the file: an API and the calls that share it."""

    name: str
    title: str
    group: str
    method: Literal["GET", "POST"]
    path: str
    calls: tuple[tuple[str, str, str], ...]
    """(end of the name, TR id at live, TR id at paper) of each call."""
    params: tuple[Param, ...]
    blocks: tuple[Block, ...]
    tr_cont: bool = False
    ctx: tuple[str, ...] = ()
    ok: tuple[str, str] = ("", "")

    def apis(self) -> Iterator[Api]:
        """Yield the calls of this line."""
        # Only an array continues over several pages. The sums in the other blocks come with each
        # page.
        rows = next((b.name for b in self.blocks if b.shape == "array"), "")
        for ending, live, paper in self.calls:
            name = self.name + ending
            yield Api(
                name,
                self.title,
                self.method,
                self.path,
                live,
                paper,
                tuple(p.name for p in self.params),
                frozenset(p.name for p in self.params if not p.required),
                self.params,
                self.blocks,
                *self.ok,
                # Every POST below /trading/ moves money; the other POSTs issue keys.
                self.method == "POST"
                and self.path.startswith("/uapi")
                and "/trading/" in self.path,
                self.ctx,
                self.tr_cont,
                ROW_KEYS.get(name, ()),
                rows,
            )


@cache
def _by_name() -> dict[str, Api]:
    # The file is half a megabyte, and a kernel imports this module before it calls anything. So it
    # is read when the first call is looked up.
    text = resources.files(__package__).joinpath("catalogue.json").read_bytes()
    entries = msgspec.json.decode(text, type=tuple[_CatalogueLine, ...])
    return {api.name: api for entry in entries for api in entry.apis()}


class Catalogue(Mapping[str, Api]):
    """All calls by name; a read-only mapping that reads the file on first use."""

    def __getitem__(self, name: str) -> Api:
        return _by_name()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_by_name())

    def __len__(self) -> int:
        return len(_by_name())


APIS = Catalogue()
"""Every call of KIS by kisnb's name for it, such as ``"inquire_price"``."""


@cache
def _by_call() -> dict[tuple[str, str, str], Api]:
    return {
        (api.method, api.path, tr): api
        for api in APIS.values()
        for tr in (api.tr_live, api.tr_paper)
        # A call that paper does not offer has no TR id there. It must not be found by a request
        # without one: only the OAuth calls carry none.
        if tr or not api.tr_live
    }


@cache
def _paths() -> frozenset[tuple[str, str]]:
    return frozenset((api.method, api.path) for api in APIS.values())


def find(method: str, path: str, tr_id: str) -> Api | None:
    """Return the call that a request on the wire makes; None for an unknown one."""
    # The OAuth calls carry no TR id (workbook).
    return _by_call().get((method, path, "" if path.startswith(OAUTH) else tr_id))


def known_path(method: str, path: str) -> bool:
    """Return True when some call goes to this path."""
    return (method, path) in _paths()
