"""K09: the channels of KRX, NXT and both unified, and which of them a stock is followed on.

K07 for their layouts.
"""

from __future__ import annotations

from datetime import date, time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import FrameError
from kisnb.events import Depth, Tick
from kisnb.kis.channels import DEPTH_TRS, TRADE_TRS, feed_venue
from kisnb.kis.feed.columns import LAYOUTS, WORKBOOK, Dated, columns, names_of
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.frames import encode, encode_depth, encode_tick, named_records, parse
from kisnb.kis.feed.subscriptions import ChannelRequest, Subscriptions
from kisnb.orders import Want
from kisnb.terms import Mode, SessionId, Side, Venue

K, N, U = Venue.KRX, Venue.NXT, Venue.SOR
DAY, BEFORE = date(2026, 11, 20), date(2026, 9, 11)
NOON = kst(DAY, time(12))
PRE, REGULAR, AFTER, OFF = (
    SessionId.NXT_PRE,
    SessionId.KRX_REG,
    SessionId.NXT_AFTER,
    SessionId.KR_OFF,
)
MORE = st.lists(st.sampled_from(["", "7", "x"]), max_size=3)
LEVELS = st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), max_size=10).map(tuple)


def tick(venue: Venue, day: date = DAY) -> Tick:
    return Tick(
        kst(day, time(9)), "005930", venue, 71_900, 3, Side.SELL, 9, 647_100, 71_900, 71_800, NOON
    )


def depth(venue: Venue, day: date = DAY) -> Depth:
    return Depth(kst(day, time(9)), "005930", venue, ((71_900, 5),), ((71_800, 7),), NOON)


@pytest.mark.parametrize(
    ("session_id", "listed", "krx_only"), [(PRE, N, K), (REGULAR, K, K), (AFTER, U, K), (OFF, K, K)]
)
def test_k09_nxt_sessions_are_followed_on_nxts_or_the_unified_channel_and_krx_only_stocks_on_krxs(
    session_id: SessionId, listed: Venue, krx_only: Venue
) -> None:
    assert feed_venue(session_id, nxt_listed=True) is listed
    assert feed_venue(session_id, nxt_listed=False) is krx_only


def test_k09_each_venue_has_a_channel_of_trades_and_one_of_books() -> None:
    assert TRADE_TRS == {K: "H0STCNT0", N: "H0NXCNT0", U: "H0UNCNT0"}
    assert DEPTH_TRS == {K: "H0STASP0", N: "H0NXASP0", U: "H0UNASP0"}


MARKET, MIDDLE = ("MARKET_CLS_CODE",), ("MID_PRC", "MIDP_TOTAL_RSQN", "MIDP_CLS_CODE")
NXT_MIDDLE = ("NMID_PRC", "NMID_TOTAL_RSQN", "NMID_CLS_CODE")
MIDDLES = ("KMID_PRC", "KMID_TOTAL_RSQN", "KMID_CLS_CODE", *NXT_MIDDLE)
GROWN = (*MIDDLES, "ANTC_EXCH_CLS_CODE")
SEEN: list[tuple[Venue, date, tuple[str, ...]]] = [
    (K, date(2026, 6, 26), ()), (K, date(2026, 6, 29), MIDDLE), (K, date(2026, 9, 11), MIDDLE),
    (K, date(2026, 9, 14), (*MIDDLE, *MARKET)), (K, DAY, (*MIDDLE, *MARKET)),
    (N, date(2026, 6, 26), NXT_MIDDLE), (N, DAY, NXT_MIDDLE),
    (U, date(2026, 9, 11), MIDDLES), (U, date(2026, 9, 14), GROWN), (U, DAY, GROWN),
]  # fmt: skip
DOCUMENTED = [
    (K, BEFORE, ()), (K, DAY, MARKET), (N, BEFORE, MIDDLES), (N, DAY, MIDDLES),
    (U, BEFORE, MIDDLES), (U, DAY, GROWN),
]  # fmt: skip
EVERY = [(v, day, LAYOUTS, last) for v, day, last in SEEN] + [
    (v, day, WORKBOOK, last) for v, day, last in DOCUMENTED
]


@pytest.mark.parametrize("venue", [K, N, U])
def test_k07_trades_had_46_columns_and_have_47_since_2026_09_14(venue: Venue) -> None:
    for day, width in ((BEFORE, 46), (date(2026, 9, 14), 47), (DAY, 47)):
        names = columns(TRADE_TRS[venue], day)
        assert len(names) == len(encode_tick(tick(venue, day))) == width
        assert names[46:] == MARKET[: width - 46]


@pytest.mark.parametrize(("venue", "day", "layouts", "last"), EVERY)
def test_k07_depths_have_the_columns_of_their_day_and_every_layout_is_read_and_named(
    venue: Venue, day: date, layouts: dict[str, Dated], last: tuple[str, ...]
) -> None:
    tr_id, received = DEPTH_TRS[venue], kst(day, time(12))
    names = columns(tr_id, day, layouts)
    assert names[59:] == last
    said, reader = depth(venue, day), FrameReader("")
    row = encode_depth(said, {name: f"its {name}" for name in last}, names)
    assert len(row) == 59 + len(last)
    facts = reader.read(encode(tr_id, [row, row]), received)
    assert facts == [msgspec.structs.replace(said, received=received)] * 2
    kept = reader.last_record(tr_id)
    assert tuple(kept) == names
    assert [kept[name] for name in last] == [f"its {name}" for name in last]


@pytest.mark.parametrize(
    ("tr_id", "width", "named", "last"),
    [
        ("H0STASP0", 65, 63, "COLUMN_64"),
        # Between two layouts: 60 columns end with the market, 62 with the middle price.
        ("H0STASP0", 61, 59, "COLUMN_60"),
        ("H0NXASP0", 63, 59, "COLUMN_62"),
        ("H0NXASP0", 66, 65, "COLUMN_65"),
        ("H0UNASP0", 68, 66, "COLUMN_67"),
        ("H0STCNT0", 50, 47, "COLUMN_49"),
        ("H0STMBC0", 2, 0, "COLUMN_1"),
    ],
)
def test_k07_only_the_columns_that_are_certain_have_a_name(
    tr_id: str, width: int, named: int, last: str
) -> None:
    names = names_of(tr_id, width)
    assert len(names) == len(set(names)) == width
    assert names[-1] == last
    assert sum(not name.startswith("COLUMN_") for name in names) == named


def test_k07_the_columns_that_differ_between_venues_are_named_as_kis_names_them() -> None:
    assert [columns(TRADE_TRS[v], DAY)[21] for v in (K, N, U)] == [
        "CCLD_DVSN",
        "CNTG_CLS_CODE",
        "CNTG_CLS_CODE",
    ]


@given(st.sampled_from([K, N, U]), st.sampled_from([BEFORE, DAY]), MORE)
def test_k09_k07_trades_of_every_venue_go_round_in_every_layout(
    venue: Venue, day: date, more: list[str]
) -> None:
    said = tick(venue, day)
    text = encode(TRADE_TRS[venue], [[*encode_tick(said), *more]] * 2)
    assert FrameReader("").read(text, NOON) == [said, said]


@given(st.sampled_from([K, N, U]), LEVELS, LEVELS, MORE)
def test_k09_k07_books_of_every_venue_go_round_in_every_layout(
    venue: Venue,
    asks: tuple[tuple[int, int], ...],
    bids: tuple[tuple[int, int], ...],
    more: list[str],
) -> None:
    said = Depth(kst(DAY, time(9)), "005930", venue, asks, bids, NOON)
    assert FrameReader("").read(encode(DEPTH_TRS[venue], [[*encode_depth(said), *more]]), NOON) == [
        said
    ]


@pytest.mark.parametrize(
    ("tr_id", "fields"), [("H0STASP0", 58), ("H0NXASP0", 61), ("H0UNASP0", 64), ("H0NXCNT0", 45)]
)
def test_k07_fewer_columns_than_a_channel_ever_had_are_a_typed_error(
    tr_id: str, fields: int
) -> None:
    with pytest.raises(FrameError, match=tr_id):
        FrameReader("").read(f"0|{tr_id}|001|" + "^".join(["1"] * fields), NOON)


def test_k07_columns_that_nobody_knows_are_kept_by_their_position() -> None:
    reader = FrameReader("")
    assert reader.last_record("H0UNCNT0") == {}
    reader.read(
        encode(
            "H0UNCNT0", [[*encode_tick(tick(U)), "first", ""], [*encode_tick(tick(U)), "new", "2"]]
        ),
        NOON,
    )
    kept = reader.last_record("H0UNCNT0")
    assert len(kept) == 49
    assert (kept["STCK_PRPR"], kept["MARKET_CLS_CODE"], kept["COLUMN_47"], kept["COLUMN_48"]) == (
        "71900",
        "2",
        "new",
        "2",
    )
    with pytest.raises(FrameError):
        reader.read("0|H0UNCNT0|001|broken", NOON)
    assert reader.last_record("H0UNCNT0") == kept


def test_k07_a_channel_without_a_table_keeps_all_its_columns_too() -> None:
    assert named_records(parse("0|H0STMBC0|002|005930^1^000660^2")) == [
        {"COLUMN_0": "005930", "COLUMN_1": "1"},
        {"COLUMN_0": "000660", "COLUMN_1": "2"},
    ]


@given(
    st.text(max_size=120),
    st.sampled_from([*TRADE_TRS.values(), *DEPTH_TRS.values(), "H0STCNI0", "H0XX", ""]),
)
def test_k07_nothing_but_typed_errors_comes_out_of_any_frame(payload: str, tr_id: str) -> None:
    for flag in "01":
        for count in ("001", "002", "9" * 5_000, "-1"):
            try:
                FrameReader("").read(f"{flag}|{tr_id}|{count}|{payload}", NOON)
            except FrameError:
                continue


def test_k09_a_stock_is_subscribed_at_each_wanted_venue_on_a_registration_of_its_own() -> None:
    s = Subscriptions(Mode.LIVE, "my-hts-id")
    wants = [
        Want(channel, "005930", venue) for channel in ("ticks", "depth") for venue in (K, N, U)
    ]  # type: ignore[arg-type]
    assert s.want(0, wants) == []
    assert s.take_due(0) == [
        ChannelRequest("1", f"H0{v}{c}0", "005930")
        for c in ("CNT", "ASP")
        for v in ("ST", "NX", "UN")
    ]
    assert s.desired == frozenset(wants)
