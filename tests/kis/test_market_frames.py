"""K07: every documented market channel becomes facts, in old and new layouts.

What is wrong is a typed error.
"""

from __future__ import annotations

from datetime import date, time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import kst
from kisnb.errors import FrameError
from kisnb.events import Depth, Event, ExpectedMatch, MarketOperation, ProgramTrades
from kisnb.kis.channels import (
    DEPTH_TRS,
    EXPECTED_TRS,
    OPERATION_TRS,
    PROGRAM_TRS,
    TRADE_TRS,
    VENUE_OF_TR,
)
from kisnb.kis.feed.columns import COLUMNS, FEWEST, columns
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.frames import (
    encode,
    encode_depth,
    encode_expected,
    encode_operation,
    encode_record,
)
from kisnb.kis.feed.market_frames import CHANNELS
from kisnb.terms import Venue

K, N, U = Venue.KRX, Venue.NXT, Venue.SOR
DAY, BEFORE = date(2026, 11, 20), date(2026, 9, 11)
NOON = kst(DAY, time(12))
WON = st.integers(0, 10**12)
VENUES = st.sampled_from([K, N, U])
CODE = st.from_regex(r"[0-9]{5}[0-9A-Z]", fullmatch=True)
MOMENTS = st.builds(kst, st.sampled_from([BEFORE, DAY]), st.integers(0, 86_399))
MORE = st.lists(st.sampled_from(["", "7", "x", "(null)"]), max_size=3)


def read(tr_id: str, *rows: list[str]) -> list[Event]:
    return list(FrameReader("").read(encode(tr_id, rows), NOON))


def test_k07_every_channel_of_the_desk_has_a_table_and_a_reader() -> None:
    assert COLUMNS.keys() == CHANNELS.keys() == VENUE_OF_TR.keys()
    widths = {tr_id: (FEWEST[tr_id], len(names)) for tr_id, names in COLUMNS.items()}
    documented = {
        **{TRADE_TRS[v]: (46, 47) for v in (K, N, U)},
        DEPTH_TRS[K]: (59, 63), DEPTH_TRS[N]: (62, 62), DEPTH_TRS[U]: (65, 66),
        EXPECTED_TRS[K]: (45, 45), EXPECTED_TRS[N]: (46, 46), EXPECTED_TRS[U]: (46, 46),
        OPERATION_TRS[K]: (11, 11), OPERATION_TRS[N]: (11, 11), OPERATION_TRS[U]: (10, 10),
        **{PROGRAM_TRS[v]: (11, 11) for v in (K, N, U)},
    }  # fmt: skip
    assert widths == documented


@given(
    st.builds(
        ExpectedMatch, t=MOMENTS, code=CODE, venue=VENUES, price=WON, qty=WON, ask=WON, bid=WON
    ),
    MORE,
)
def test_k07_expected_matches_of_every_venue_go_round(
    match: ExpectedMatch, more: list[str]
) -> None:
    row = [*encode_expected(match), *more]
    (got, again) = read(EXPECTED_TRS[match.venue], row, row)
    assert got == again == msgspec.structs.replace(match, received=NOON)


@given(
    st.builds(
        MarketOperation,
        t=st.just(NOON),
        code=CODE,
        venue=VENUES,
        operation=st.sampled_from(["110", "112", "174", "AB1", ""]),
        halted=st.booleans(),
        reason=st.sampled_from(["", "투자유의", "풍문"]),
        vi=st.booleans(),
        received=st.just(NOON),
    ),
    MORE,
)
def test_k07_market_operation_of_every_venue_goes_round(
    said: MarketOperation, more: list[str]
) -> None:
    assert read(OPERATION_TRS[said.venue], [*encode_operation(said), *more]) == [said]


def test_k07_market_operation_on_the_unified_channel_begins_with_the_undocumented_code() -> None:
    """Frames as measured from 2026-09-21 to 23."""
    frame = "0|H0UNMKO0|001|100840^N^(null)^AB1^112^^^55^N^"
    said = MarketOperation(
        NOON, "100840", U, "AB1", halted=False, reason="", vi=False, received=NOON
    )
    assert FrameReader("").read(frame, NOON) == [said]


@pytest.mark.parametrize(
    ("columns_of", "halted", "vi"),
    [({"VI_CLS_CODE": "Y"}, False, True), ({"OVTM_VI_CLS_CODE": "Y"}, False, True),
     ({"TRHT_YN": "Y"}, True, False),
     ({"ISCD_STAT_CLS_CODE": "58"}, True, False), ({}, False, False)],
)  # fmt: skip
def test_k07_vi_and_halts_are_told_by_any_of_their_columns(
    columns_of: dict[str, str], halted: bool, vi: bool
) -> None:
    row = encode_record(
        "H0STMKO0", DAY, {"MKSC_SHRN_ISCD": "005930", "MKOP_CLS_CODE": "112", **columns_of}
    )
    (said,) = read("H0STMKO0", row)
    assert isinstance(said, MarketOperation)
    assert (said.halted, said.vi) == (halted, vi)


def test_k07_program_trades_carry_shares_and_won() -> None:
    (said,) = read(
        "H0NXPGM0",
        ["005930", "100015", "10", "719000", "4", "287600", "-6", "-431400", "5", "6", "1"],
    )
    assert said == ProgramTrades(
        kst(DAY, time(10, 0, 15)), "005930", N, 10, 719_000, 4, 287_600, -6, -431_400, NOON
    )


@given(st.sampled_from(sorted(COLUMNS)), st.integers(1, 4), st.data())
def test_k07_one_broken_record_takes_its_frame_with_it_and_nothing_else(
    tr_id: str, count: int, data: Any
) -> None:
    good = encode_record(tr_id, DAY, _least(tr_id))
    wrong = data.draw(st.integers(0, len(good) - 1))
    broken = [*good]
    broken[wrong] = data.draw(
        st.sampled_from(["x,y", "1,2", "[", "]", '"', "\\", "\ud800", "१२", "1e3", "7.5", "null"])
    )
    reader = FrameReader("")
    assert len(reader.read(encode(tr_id, [good] * count), NOON)) == count
    try:
        facts = reader.read(encode(tr_id, [*[good] * (count - 1), broken]), NOON)
    except FrameError:
        pass
    else:
        assert len(facts) == count
    assert reader.last_record(tr_id).keys() >= set(columns(tr_id, DAY))
    assert len(reader.read(encode(tr_id, [good] * count), NOON)) == count


@pytest.mark.parametrize("text", [" 71900", "+71900", "0071900"])
def test_k07_padded_and_signed_numbers_are_read_as_they_are_meant(text: str) -> None:
    row = encode_record("H0STCNT0", DAY, _least("H0STCNT0"))
    row[2] = text
    assert read("H0STCNT0", row)[0].price == 71_900  # type: ignore[union-attr]


WRITTEN = st.sampled_from(["{}", "00{}", "+{}", " {}", "{} "])
SIZES = st.lists(st.one_of(st.just(0), st.integers(1, 10**9)), min_size=40, max_size=40)


@given(st.sampled_from([K, N, U]), SIZES, st.lists(WRITTEN, min_size=40, max_size=40), MORE)
def test_k07_a_depth_is_the_same_however_its_numbers_are_written(
    venue: Venue, numbers: list[int], written: list[str], more: list[str]
) -> None:
    head, tail = ["005930", "120000", "0"], ["0"] * 30
    plain = [*head, *map(str, numbers), *tail, *more]
    odd = [*head, *(w.format(n) for w, n in zip(written, numbers, strict=True)), *tail, *more]
    levels = list(zip(numbers[:20], numbers[20:], strict=True))
    asks, bids = (
        tuple(level for level in side if all(level)) for side in (levels[:10], levels[10:])
    )
    said = Depth(NOON, "005930", venue, asks, bids, NOON)
    reader = FrameReader("")
    for rows in ([plain], [odd], [plain], [plain, odd], [plain]):
        assert reader.read(encode(DEPTH_TRS[venue], rows), NOON) == [said] * len(rows)


def test_k07_depths_are_read_while_their_width_changes_from_frame_to_frame() -> None:
    said = Depth(NOON, "005930", K, ((71_900, 5),), ((71_800, 7),), NOON)
    row, reader = [*encode_depth(said)[:59], *["1"] * 5], FrameReader("")
    for width in (59, 59, 64, 60, 60, 62, 63, 59, 63):
        assert reader.read(encode("H0STASP0", [row[:width]]), NOON) == [said]


@pytest.mark.parametrize("text", ["1,2", "", "x", "7.5", "1e3", "[1]", "null", "1 2"])
def test_k07_a_depth_with_a_broken_field_is_a_typed_error_also_when_others_came_before(
    text: str,
) -> None:
    good = encode_depth(Depth(NOON, "005930", K, ((71_900, 5),), ((71_800, 7),), NOON))[:59]
    reader = FrameReader("")
    for _ in range(2):
        reader.read(encode("H0STASP0", [good]), NOON)
    for place in (3, 22, 42):
        with pytest.raises(FrameError, match="H0STASP0"):
            # One field too few, so that a comma inside a field makes up for it.
            reader.read(encode("H0STASP0", [[*good[:place], text, *good[place + 2 :]]]), NOON)
    assert len(reader.read(encode("H0STASP0", [good]), NOON)) == 1


@pytest.mark.parametrize(
    "head",
    ["0|H0STCNT01|001|005930", "1|H0STCNT0|001|005930", "00H0STCNT0|001|005930|", "0|H0STCNT0"],
)
def test_k07_a_frame_of_trades_with_a_wrong_head_is_a_typed_error(head: str) -> None:
    row = encode_record("H0STCNT0", DAY, _least("H0STCNT0"))
    with pytest.raises(FrameError):
        FrameReader("").read("^".join([head, *row[1:]]), NOON)


def test_k07_a_market_frame_of_gigantic_or_silly_counts_is_refused_at_once() -> None:
    for count in ("000", "999999", "-1", "1e1", "９", "", "9" * 4_000):
        with pytest.raises(FrameError):
            FrameReader("").read(f"0|H0STCNT0|{count}|{'^' * 46}", NOON)


def _least(tr_id: str) -> dict[str, object]:
    times = {"STCK_CNTG_HOUR": "090000", "BSOP_HOUR": "090000", "BSOP_DATE": "20261120"}
    return {"MKSC_SHRN_ISCD": "005930"} | {
        name: text for name, text in times.items() if name in COLUMNS[tr_id]
    }
