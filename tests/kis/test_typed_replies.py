"""Typed readers of replies: frames and facts out of rows of text, and nothing but typed errors out
of any content.

Rows M05 (stock info), R11 (rankings, flows) and K13 in part; the replies come from the simulated
host.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import MINUTE, kst_datetime
from kisnb.errors import ApiError, BadInput, FrameError
from kisnb.kis.calls import chart_messages, flow_messages, stock_messages
from kisnb.kis.calls.messages import ApiReply, decode_reply, encode_reply
from kisnb.kis.calls.ranking_messages import ranking_call, read_ranking
from kisnb.kis.calls.tables import typed_frame
from kisnb.kis.catalogue import APIS, Api
from kisnb.market.calendar import Overrides, is_trading_day
from kisnb.market.universe import Universe
from kisnb.terms import Board, Venue
from tests.simulator.customer import DAY, HYNIX, SAMSUNG, Customer, at, host

FIRST = date(2026, 1, 2)


@pytest.fixture(scope="module")
def customer() -> Customer:
    one = Customer(host("11:00:00", scripted=False))
    one.log_in()
    return one


def asked(customer: Customer, call: tuple[Api, dict[str, str]]) -> ApiReply:
    api, params = call
    customer.core.advance(customer.core.now + 1_000_000_000)
    reply = customer.ask(api.name, params)
    return decode_reply(api, reply.body, status=reply.status, tr_cont=reply.headers["tr_cont"])


def test_windows_take_in_every_day_once_and_none_is_larger_than_a_reply() -> None:
    windows = list(chart_messages.daily_windows(FIRST, DAY))
    days = [
        begin + timedelta(days=n) for begin, end in windows for n in range((end - begin).days + 1)
    ]
    assert sorted(days) == [FIRST + timedelta(days=n) for n in range((DAY - FIRST).days + 1)]
    assert all(
        sum(is_trading_day(begin + timedelta(days=n)) for n in range(140)) <= 100
        for begin, _ in windows
    )
    with pytest.raises(BadInput, match="comes after"):
        list(chart_messages.daily_windows(DAY, FIRST))


def test_daily_bars_over_several_windows_are_one_gapless_frame(customer: Customer) -> None:
    windows = chart_messages.daily_windows(FIRST, DAY)
    bars = chart_messages.read_daily(
        [asked(customer, chart_messages.daily_params(SAMSUNG, *window)) for window in windows]
    )
    days = [
        day
        for n in range((DAY - FIRST).days + 1)
        if is_trading_day(day := FIRST + timedelta(days=n))
    ]
    assert bars["date"].to_list() == days
    assert bars.schema["close"] == pl.Int64
    assert (bars["low"] <= bars["open"]).all()
    assert (bars["close"] <= bars["high"]).all()


def test_minutes_of_the_day_and_of_the_days_before(customer: Customer) -> None:
    today = chart_messages.read_minutes(
        [asked(customer, chart_messages.minute_params(SAMSUNG, at("10:30:00")))]
    )
    assert 0 < today.height <= 30
    assert today["t"].max() == at("10:30:00")
    assert (today["t"] % MINUTE == 0).all()
    long = chart_messages.read_minutes(
        [asked(customer, chart_messages.past_minute_params(SAMSUNG, at("09:30:00")))]
    )
    assert long.height == 120
    assert {kst_datetime(t).date() for t in long["t"]} == {date(2026, 11, 19), DAY}
    assert long["t"].is_sorted()


def test_r11_flows_sum_to_nothing_and_are_dated(customer: Customer) -> None:
    flows = flow_messages.read_flows([asked(customer, flow_messages.flow_params(SAMSUNG, DAY))])
    assert flows.height == 30
    assert flows["date"].max() == date(2026, 11, 19)  # this day is not over
    assert (flows["individual"] + flows["foreign"] + flows["institution"] == 0).all()
    assert flows["foreign"].abs().sum() > 0


def test_m05_the_stock_information_of_kis_is_read(customer: Customer) -> None:
    item = Universe.packaged().get(SAMSUNG)
    told = stock_messages.read_stock(asked(customer, stock_messages.stock_params(SAMSUNG)), SAMSUNG)
    assert told == stock_messages.StockFacts(
        SAMSUNG,
        item.name,
        Board.KOSPI,
        item.kind,
        item.shares,
        item.base,
        halted=False,
        administrative=False,
        nxt=item.nxt,
    )


def test_thirty_quotes_in_one_call_say_what_single_ones_say(customer: Customer) -> None:
    codes = [SAMSUNG, HYNIX]
    reply = asked(customer, stock_messages.many_params(codes, Venue.SOR))
    quotes = stock_messages.read_many(reply, Venue.SOR, customer.core.now)
    for code in codes:
        one = customer.core._market.quote(code, Venue.SOR)
        many = quotes[code]
        assert (many.price, many.volume, many.value, many.upper) == (
            one.price,
            one.volume,
            one.value,
            one.upper,
        )
    with pytest.raises(BadInput, match="31 stocks do not fit"):
        stock_messages.many_params([SAMSUNG] * 31)


def test_a_calendar_that_agrees_overrides_nothing_and_one_that_does_not_names_the_days(
    customer: Customer,
) -> None:
    days = stock_messages.read_holidays([asked(customer, stock_messages.holiday_params(DAY))])
    assert len(days) == 24
    assert min(days) == DAY
    assert stock_messages.overrides_from(days) == Overrides()
    monday, saturday = date(2026, 11, 23), date(2026, 11, 21)
    other = stock_messages.overrides_from(days | {monday: False})
    assert list(other.closed) == [monday]
    assert other.open == {}
    assert saturday not in other.closed


def test_k05_every_page_of_a_reply_keeps_its_keys_in_kiss_order() -> None:
    for api in APIS.values():
        assert not api.ctx or ("FK" in api.ctx[0] and "NK" in api.ctx[1])


def test_numbers_come_typed_and_blanks_as_null() -> None:
    api = APIS["fluctuation"]
    row = dict.fromkeys((field.name for field in api.block("output").fields), "")
    frame = typed_frame(
        api.block("output"), [row | {"stck_prpr": "0000071000", "prdy_ctrt": "-0.14", "new": "x"}]
    )
    assert frame.select("stck_prpr", "prdy_ctrt", "acml_vol", "new").row(0) == (
        71_000,
        -0.14,
        None,
        "x",
    )
    assert (frame.schema["stck_prpr"], frame.schema["prdy_ctrt"]) == (pl.Int64, pl.Float64)


@pytest.mark.parametrize("text", ["twelve", "nan", "inf", "1e400", "9" * 30, "--1", "1_000x"])
def test_what_is_no_number_is_a_typed_error(text: str) -> None:
    with pytest.raises(FrameError, match="The field stck_prpr is"):
        typed_frame(APIS["fluctuation"].block("output"), [{"stck_prpr": text}])


# replies of any content

READERS: dict[str, Callable[[ApiReply], object]] = {
    chart_messages.DAILY: lambda r: chart_messages.read_daily([r]),
    chart_messages.TODAY: lambda r: chart_messages.read_minutes([r]),
    chart_messages.PAST: lambda r: chart_messages.read_minutes([r]),
    "investor_trade_by_stock_daily": lambda r: flow_messages.read_flows([r]),
    "search_stock_info": lambda r: stock_messages.read_stock(r, SAMSUNG),
    "intstock_multprice": lambda r: stock_messages.read_many(r, Venue.KRX, 0),
    "chk_holiday": lambda r: stock_messages.read_holidays([r]),
    "inquire_vi_status": stock_messages.read_interruptions,
    "volume_rank": lambda r: read_ranking(r.rows()),
    "fluctuation": lambda r: read_ranking(r.rows()),
}
NUMBERS = st.integers().map(str) | st.floats().map(str) | st.integers(0, 10**9).map(str)
TEXTS = (
    st.sampled_from(["20261120", "110000", "99999999", "", " ", "Y", "null"])
    | st.text(max_size=8)
    | NUMBERS
)
ANYTHING = (
    TEXTS | st.none() | st.booleans() | st.integers() | st.lists(st.text(max_size=2), max_size=2)
)


def said(api: Api, data: st.DataObject) -> bytes:
    """A reply whose rows have wrong, missing and additional fields, or are not rows."""
    body = encode_reply(api, {})
    for block in api.blocks:
        names = st.sampled_from([*block.empty, "new_field"])
        row = block.empty | data.draw(st.dictionaries(names, ANYTHING, max_size=6))
        for gone in data.draw(st.sets(st.sampled_from(sorted(row)), max_size=3)):
            del row[gone]
        many = data.draw(st.integers(0, 200))
        body[block.name] = data.draw(
            st.sampled_from([row, [row], [row] * many, [], {}, None, "text", 7, [row, 7]])
        )
    whole = json.dumps(body).encode()
    return whole[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else whole


@given(st.sampled_from(sorted(READERS)), st.data())
def test_k07_readers_raise_nothing_but_typed_errors(name: str, data: st.DataObject) -> None:
    try:
        READERS[name](decode_reply(APIS[name], said(APIS[name], data)))
    except (FrameError, ApiError):
        return


@given(st.sampled_from(sorted(APIS)), st.data())
def test_k07_any_reply_of_any_call_becomes_frames_or_a_typed_error(
    name: str, data: st.DataObject
) -> None:
    try:
        reply = decode_reply(APIS[name], said(APIS[name], data))
        for block in APIS[name].blocks:
            frame = typed_frame(block, reply.rows(block.name))
            assert frame.height == len(reply.rows(block.name))
    except (FrameError, ApiError):
        return


@given(st.sampled_from(["volume", "fluctuation"]), st.sampled_from(["J", "NX"]))
def test_r01_a_ranking_call_has_every_parameter_in_kiss_spelling(kind: str, code: str) -> None:
    name, params = ranking_call(kind, code)  # type: ignore[arg-type]
    assert list(params) == list(APIS[name].params)
    assert [v for p, v in params.items() if p.upper() == "FID_COND_MRKT_DIV_CODE"] == [code]
