"""Channels by name: their keys, the types of their columns, and what the reader keeps (row K14)."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kisnb.errors import BadInput, FrameError, NotOffered
from kisnb.kis.by_name.channels import channel_frame, channel_key, channels
from kisnb.kis.by_name.pages import page_of_channel
from kisnb.kis.feed.columns import COLUMNS
from kisnb.kis.feed.frame_reader import MOST_FRAMES, FrameReader
from kisnb.kis.feed.frames import encode
from kisnb.kis.feed.subscriptions import Subscriptions
from kisnb.orders import Want
from kisnb.terms import Mode, Venue
from tests.kis.test_by_name import TYPES

NOTICES = [name for name, channel in channels().items() if channel.is_of_account]
MARKET = [name for name in channels() if name not in NOTICES]


def test_k14_every_channel_of_the_market_has_a_name_a_page_and_typed_columns() -> None:
    assert (len(MARKET), len(NOTICES)) == (53, 7)
    for name in MARKET:
        channel = channels()[name]
        assert name.isidentifier()
        page, frame = page_of_channel(channel), channel_frame(channel, [])
        assert page.startswith(channel.title)
        assert all(f"    {column} (" in page for column in channel.types)
        assert dict(frame.schema) == {n: TYPES[kind] for n, kind in channel.types.items()}


def test_k14_columns_of_a_trade_are_won_shares_rates_days_and_codes() -> None:
    types = channels()["h0stcnt0"].types
    assert types["stck_prpr"] == types["cntg_vol"] == "whole"
    assert types["prdy_ctrt"] == types["wghn_avrg_stck_prc"] == "decimal"
    assert types["bsop_date"] == "date"
    assert types["mksc_shrn_iscd"] == types["stck_cntg_hour"] == types["ccld_dvsn"] == "text"


@pytest.mark.parametrize("name", NOTICES)
def test_k14_a_channel_of_an_accounts_notices_is_refused_with_the_command_to_use(
    name: str,
) -> None:
    with pytest.raises(BadInput, match=r"the desk reads them\. Use %kis orders"):
        channel_key(channels()[name], {"tr_key": "me"}, Mode.LIVE)


def test_k14_a_channel_takes_one_key_and_only_where_kis_has_it() -> None:
    index = channels()["h0upcnt0"]
    assert channel_key(index, {"tr_key": " 0001 "}, Mode.LIVE) == "0001"
    with pytest.raises(NotOffered, match=r"Paper has no channel h0upcnt0\. Use live or sim"):
        channel_key(index, {"tr_key": "0001"}, Mode.PAPER)
    for given in ({}, {"tr_key": ""}, {"tr_key": 5930}, {"tr_key": "0001", "code": "1"}):
        with pytest.raises(BadInput, match="업종구분코드"):
            channel_key(index, given, Mode.LIVE)  # type: ignore[arg-type]


def test_k14_records_are_rows_in_their_order_and_an_empty_value_is_null() -> None:
    channel = channels()["h0stpgm0"]
    row = ["005930", "110000", "1", "70000", "2", "140000", "1", "70000", "", "0", "3"]
    frame = channel_frame(channel, [row, [*row[:-1], "4", "new"]])
    assert frame["whol_ntby_qty"].to_list() == [3, 4]
    assert frame["seln_rsqn"].to_list() == [None, None]
    assert frame["column_11"].to_list() == [None, "new"]
    with pytest.raises(FrameError, match=r"session.api.h0stpgm0\(..., typed=False\)"):
        channel_frame(channel, [[*row[:-1], "many"]])


def test_k14_a_record_that_is_narrower_than_the_workbook_gets_no_guessed_names() -> None:
    frame = channel_frame(channels()["h0ifcnt0"], [["101S12", "110000", "330.05"]])
    assert [frame[f"column_{i}"][0] for i in range(3)] == ["101S12", "110000", "330.05"]
    assert frame["futs_prpr"].to_list() == [None]


def test_k14_the_reader_keeps_the_newest_records_of_wanted_channels_alone() -> None:
    reader = FrameReader("1234567801")
    with pytest.raises(FrameError, match="Nobody asked"):
        reader.read(encode("H0UPCNT0", [["0001", "110000", "1"]]), 0)
    reader.keep(["H0UPCNT0"])
    for n in range(MOST_FRAMES + 5):
        rows = [["0001", "110000", str(n)], ["1001", "110000", str(n)]]
        assert reader.read(encode("H0UPCNT0", rows), 0) == []
    kept = reader.kept_records("H0UPCNT0", "0001")
    assert [row[2] for row in kept] == [str(n) for n in range(5, MOST_FRAMES + 5)]
    reader.keep(["H0UPCNT0", "H0UPANC0"])
    assert reader.kept_records("H0UPCNT0", "1001") != []
    reader.keep([])
    assert reader.kept_records("H0UPCNT0", "0001") == []
    # KIS sends on until it has released the channel.
    assert reader.read(encode("H0UPCNT0", [["0001", "110000", "1"]]), 0) == []


def test_k14_records_share_a_registration_with_the_ticks_of_the_same_stock() -> None:
    subscriptions = Subscriptions(Mode.LIVE, "me")
    ticks = Want("ticks", "005930", Venue.NXT)
    records = channels()["h0nxcnt0"].want("005930")
    assert subscriptions.want(0, [records, ticks, channels()["h0upcnt0"].want("0001")]) == []
    due = [(request.tr_id, request.tr_key) for request in subscriptions.take_due(0)]
    assert sorted(due) == [("H0NXCNT0", "005930"), ("H0UPCNT0", "0001")]
    assert ticks in subscriptions.desired


@pytest.mark.data
def test_k14_the_channels_are_those_of_the_workbook_with_their_columns() -> None:
    path = Path(os.environ["KISNB_DATA"]).parent / "kis" / "spec.json"
    if not path.is_file():
        pytest.skip("KIS's table is not on this machine")
    entries: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["apis"]
    # The workbook gives two channels the TR id of another one. Their paths have the right one.
    spec = {e["path"].rpartition("/")[2]: e for e in entries if e["kind"] == "websocket"}
    assert {channel.tr_id for channel in channels().values()} == spec.keys()
    for channel in channels().values():
        entry = spec[channel.tr_id]
        assert (channel.title, channel.paper) == (entry["name"], bool(entry["tr_id_paper"]))
        documented = [*entry["frame_columns"], *entry.get("frame_columns_added", ())]
        assert [c.name for c in channel.columns] == [c["n"].strip().upper() for c in documented]
        if channel.tr_id not in COLUMNS:
            assert len(channel.types) == len(documented)
        examples = {c["n"].lower(): c["ex"] for c in documented if c.get("ex")}
        day = {"bsop_date": date(2026, 11, 20).strftime("%Y%m%d")}
        row = [(examples | day).get(name, "") for name in channel.types]
        assert isinstance(channel_frame(channel, [row]), pl.DataFrame)
