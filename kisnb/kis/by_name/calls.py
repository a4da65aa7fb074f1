"""Calls by name: those that read, their parameters, and the commands that replace all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TypeAlias

from kisnb.errors import BadInput, UnknownCall
from kisnb.kis.catalogue import APIS, Api, Param
from kisnb.values import near_names, shown

ParamValue: TypeAlias = str | int | date
"""A text as KIS takes it, a whole number, or a day (sent as YYYYMMDD)."""

_ACCOUNT = ("CANO", "ACNT_PRDT_CD")
# In the one call with this parameter it must be blank (workbook: 공란).
_BLANK = ("ACNT_PWD",)

_CANCEL = "use %kis cancel ID, or session.cancel"
_INSTEAD = {
    "order_cash_buy": "use %kis buy CODE QTY, or session.buy",
    "order_cash_sell": "use %kis sell CODE QTY, or session.sell",
    "order_rvsecncl": "use %kis revise ID PRICE, %kis cancel ID, session.revise or session.cancel",
    "order_resv": "use %kis reserve buy CODE QTY, or session.reserve",
    "order_resv_rvsecncl_cancel": _CANCEL,
    "order_resv_rvsecncl_revise": f"{_CANCEL}, and then reserve the order again",
    "order_credit_buy": "kisnb does not trade on credit; %kis buy CODE QTY, paid in cash",
    "order_credit_sell": "kisnb does not trade on credit; %kis sell CODE QTY, of your own shares",
}
_KEYS = "the desk gets its keys from KIS by itself when it opens; use %kis open"
_ABROAD = (
    "kisnb trades Korean stocks alone, with %kis buy CODE QTY, %kis sell CODE QTY and "
    "%kis cancel ID; use KIS's own app for this order"
)


def reading_calls() -> Iterator[Api]:
    """Yield every call that only reads, in the order of the catalogue."""
    return (api for api in APIS.values() if not api.post)


def call_named(name: str, also: Iterable[str] = ()) -> Api:
    """Return the reading call with this name. ``also``: more names that an error may suggest.

    Raises UnknownCall for a name that KIS's calls do not have. Raises BadInput, which names the
    command to use, for a call that places, revises or cancels orders, or that issues keys.
    """
    api = APIS.get(name)
    if api is None:
        near = near_names(name, [*(a.name for a in reading_calls()), *also], most=3)
        guess = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownCall(
            f"KIS has no call {name!r}{guess}", "search by a Korean or English word: %kis api WORD"
        )
    if api.is_order:
        raise BadInput(
            f"the call {name} places, revises or cancels an order, and only the desk may do that",
            _INSTEAD.get(name, _ABROAD),
        )
    if api.post:
        raise BadInput(f"the call {name} is about KIS's keys", _KEYS)
    return api


def open_params(api: Api) -> tuple[Param, ...]:
    """Return the parameters that a person gives, named as on the wire.

    The desk adds the other parameters: the account, and the keys of the next page.
    """
    own = {*_ACCOUNT, *_BLANK, *api.ctx}
    return tuple(param for param in api.documented if param.name not in own)


def call_params(api: Api, given: Mapping[str, ParamValue]) -> dict[str, str]:
    """Return the parameters of a call in the form that the desk expects.

    Names may be in upper or lower case. Raises BadInput for an unknown or a missing parameter, and
    for a value that is not a text, a whole number or a day.
    """
    params = {param.name.lower(): param for param in open_params(api)}
    values = {name.lower(): value for name, value in given.items()}
    wrong = [_unknown(api, name, params) for name in values if name not in params]
    missing = [name for name, param in params.items() if param.required and name not in values]
    if missing:
        wrong.append(f"the call {api.name} needs {', '.join(missing)}")
    if wrong:
        names = ", ".join(
            name if param.required else f"{name} (may be left out)"
            for name, param in params.items()
        )
        raise BadInput("; ".join(wrong), f"its parameters are {names or 'none'}")
    asked = {params[name].name: _text(name, value) for name, value in values.items()}
    return asked | {name: "" for name in _BLANK if name in api.params}


def _unknown(api: Api, name: str, params: Mapping[str, Param]) -> str:
    if name.upper() in _ACCOUNT:
        return f"the call {api.name} takes no {name}, because the desk adds its account by itself"
    if name in (ctx.lower() for ctx in api.ctx):
        return f"the call {api.name} takes no {name}, because the desk reads all pages by itself"
    near = near_names(name, params)
    guess = f" (did you mean {near[0]}?)" if near else ""
    return f"the call {api.name} does not take {name}{guess}"


def _text(name: str, value: ParamValue) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    # A code that is written as a number has lost its leading zeros: 005930 is not 5930.
    if isinstance(value, int) and not isinstance(value, bool) and not _is_code(name):
        return str(value)
    if _is_code(name):
        cure = f'write it in quotation marks: {name}="005930"'
        raise BadInput(f"{name}={shown(value)} is not a text", cure)
    raise BadInput(
        f"{name}={shown(value)} is no text, whole number or day", "write it as KIS's text for it"
    )


def _is_code(name: str) -> bool:
    """Return True for a parameter that names an issue."""
    return "iscd" in name or name.startswith(("pdno", "srs_cd"))
