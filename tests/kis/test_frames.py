"""K07: data frames both ways, several records in one, old and new columns, more columns than known,
malformed ones."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import Ns, kst
from kisnb.errors import FrameError
from kisnb.events import Depth, Tick
from kisnb.kis.feed.columns import COLUMNS, columns
from kisnb.kis.feed.frames import DEPTH, TRADES, Frame, encode, encode_depth, encode_tick, parse
from kisnb.kis.feed.market_frames import decode_depth, decode_ticks
from kisnb.terms import Side, Venue

OLD, NEW = date(2026, 9, 11), date(2026, 9, 14)
WON = st.integers(0, 10**12)
CODE = st.from_regex(r"[0-9]{5}[0-9A-Z]", fullmatch=True)
DAYS = st.sampled_from([OLD, NEW, date(2026, 11, 20)])
MOMENTS = st.builds(kst, DAYS, st.integers(0, 86_399))
RECEIVED = kst(date(2026, 11, 20), time(12))

TICKS = st.builds(
    Tick,
    t=MOMENTS,
    code=CODE,
    venue=st.just(Venue.KRX),
    price=WON,
    qty=WON,
    side=st.sampled_from([*Side, None]),
    volume=WON,
    value=WON,
    ask=WON,
    bid=WON,
    received=st.just(RECEIVED),
    ask_qty=WON,
    bid_qty=WON,
)
LEVELS = st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), max_size=10).map(tuple)

KIS_EXAMPLE = (
    "005930^093354^71900^5^-100^-0.14^72023.83^72100^72400^71700^71900^71800^1^3052507^219853241700^5105^6937^1832^84.90"
    "^1366314^1159996^1^0.39^20.28^090020^5^-200^090820^5^-500^092619^2^200^20230612^20^N^65945^216924^1118750^2199206"
    "^0.05^2424142^125.92^0^^72100"
)


def test_k07_kis_example_of_a_trade() -> None:
    (tick,) = decode_ticks(parse(f"0|H0STCNT0|001|{KIS_EXAMPLE}"), RECEIVED)
    assert tick == Tick(
        kst(date(2023, 6, 12), time(9, 33, 54)),
        "005930",
        Venue.KRX,
        71_900,
        1,
        Side.BUY,
        3_052_507,
        219_853_241_700,
        71_900,
        71_800,
        RECEIVED,
        65_945,
        216_924,
    )


def test_k07_columns_were_appended_on_2026_09_14() -> None:
    assert [len(columns(tr, OLD)) for tr in (TRADES, DEPTH)] == [46, 62]
    assert [len(columns(tr, NEW)) for tr in (TRADES, DEPTH)] == [47, 63]
    assert COLUMNS[TRADES][-1] == COLUMNS[DEPTH][-1] == "MARKET_CLS_CODE"


@given(st.lists(TICKS, min_size=1, max_size=9), DAYS)
def test_k07_trades_go_round_many_to_a_frame(ticks: list[Tick], day: date) -> None:
    moved = [t for t in ticks if (t.t >= kst(NEW, 0)) == (day >= NEW)]
    if moved:
        text = encode(TRADES, [encode_tick(t) for t in moved])
        assert decode_ticks(parse(text), RECEIVED) == moved


@given(st.integers(0, 86_399), CODE, LEVELS, LEVELS)
def test_k07_an_encoded_depth_is_decoded_to_the_same_depth(
    at: int, code: str, asks: tuple[tuple[int, int], ...], bids: tuple[tuple[int, int], ...]
) -> None:
    depth = Depth(kst(date(2026, 11, 20), at), code, Venue.KRX, asks, bids, RECEIVED)
    assert decode_depth(parse(encode(DEPTH, [encode_depth(depth)])), RECEIVED) == [depth]


@given(TICKS, st.lists(st.sampled_from(["", "0", "2", "(null)"]), max_size=4), st.integers(1, 4))
def test_k07_columns_that_nobody_knows_do_no_harm(tick: Tick, more: list[str], count: int) -> None:
    row = [*encode_tick(tick), *more]
    assert decode_ticks(parse(encode(TRADES, [row] * count)), RECEIVED) == [tick] * count


def test_a_trailing_empty_field_is_kept() -> None:
    frame = parse(f"0|H0STCNT0|001|{KIS_EXAMPLE}^")
    assert len(frame.payload.split("^")) == 47
    assert len(decode_ticks(frame, RECEIVED)) == 1


def test_further_columns_can_be_given_by_name() -> None:
    tick = Tick(kst(NEW, time(9)), "005930", Venue.KRX, 71_900, 1, None, 1, 1, 0, 0)
    row = encode_tick(tick, {"STCK_OPRC": 72_100, "CTTR": "84.90"})
    named = dict(zip(columns(TRADES, NEW), row, strict=True))
    assert (named["STCK_OPRC"], named["CTTR"], named["CCLD_DVSN"], named["OPRC_HOUR"]) == (
        "72100",
        "84.90",
        "3",
        "",
    )
    with pytest.raises(KeyError, match="STCK_WRONG"):
        encode_tick(tick, {"STCK_WRONG": 1})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0|H0STCNT0|001",
        "2|H0STCNT0|001|x",
        "0|H0STCNT0|000|x",
        "0|H0STCNT0|one|x",
        "0|H0STCNT0|-01|x",
        "{}",
    ],
)
def test_k07_what_is_no_frame_is_a_typed_error(text: str) -> None:
    with pytest.raises(FrameError):
        parse(text)


@given(st.integers(0, KIS_EXAMPLE.rindex("^0^^")))
def test_k07_a_truncated_trade_is_a_typed_error(cut: int) -> None:
    with pytest.raises(FrameError):
        decode_ticks(Frame(TRADES, False, 1, KIS_EXAMPLE[:cut]), RECEIVED)


@pytest.mark.parametrize("junk", ["x", "", "(null)", "12:3", "7.5"])
@pytest.mark.parametrize("field", ["093354", "71900", "3052507", "20230612"])
def test_k07_a_trade_with_a_broken_field_is_a_typed_error(field: str, junk: str) -> None:
    with pytest.raises(FrameError):
        decode_ticks(Frame(TRADES, False, 1, KIS_EXAMPLE.replace(field, junk, 1)), RECEIVED)


@given(st.text("0123456789^|x", max_size=400), st.integers(1, 5))
def test_k07_nothing_but_typed_errors_comes_out_of_any_payload(payload: str, count: int) -> None:
    for decode in (decode_ticks, decode_depth):
        for tr_id in COLUMNS:
            try:
                decode(Frame(tr_id, False, count, payload), RECEIVED)  # type: ignore[operator]
            except FrameError:
                continue


def test_k07_two_records_of_unequal_length_are_refused_as_a_whole() -> None:
    with pytest.raises(FrameError, match="fields are not 2 records"):
        decode_ticks(parse(f"0|H0STCNT0|002|{KIS_EXAMPLE}^{KIS_EXAMPLE}^2"), RECEIVED)


def test_empty_levels_are_left_out() -> None:
    depth = Depth(kst(NEW, time(9)), "005930", Venue.KRX, ((71_900, 5),), (), RECEIVED)
    (read,) = decode_depth(parse(encode(DEPTH, [encode_depth(depth)])), RECEIVED)
    assert (read.asks, read.bids) == (((71_900, 5),), ())


@given(MOMENTS)
def test_the_moment_of_a_trade_is_its_own_date_not_the_day_of_receipt(t: Ns) -> None:
    tick = Tick(t, "005930", Venue.KRX, 1, 1, None, 1, 1, 0, 0, RECEIVED)
    assert decode_ticks(parse(encode(TRADES, [encode_tick(tick)])), RECEIVED)[0].t == t
