"""``session.api``: KIS's calls by name, on the simulator (row K14)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import polars as pl
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from kisnb.errors import ApiError, BadInput, NotOffered, UnknownCall
from kisnb.kis.by_name.calls import open_params, reading_calls
from kisnb.kis.by_name.channels import channels
from kisnb.kis.by_name.frames import column_types
from kisnb.kis.catalogue import APIS
from kisnb.kis.feed.columns import LAYOUTS
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.kis.test_by_name import TYPES
from tests.session.opening import on_simulated_day, posts, recording, secrets
from tests.simulator.test_every_api import SERVED, params_of


def frames_of(
    name: str, result: pl.DataFrame | dict[str, pl.DataFrame]
) -> Mapping[str, pl.DataFrame]:
    """The frames of a result by block."""
    return result if isinstance(result, dict) else {APIS[name].blocks[0].name: result}


def given(name: str) -> dict[str, str]:
    """Sensible parameters of a call, as a person types them."""
    own = {param.name for param in open_params(APIS[name])}
    return {k.lower(): v for k, v in params_of(APIS[name]).items() if k in own}


@on_simulated_day(start="11:00")
async def test_k14_every_served_call_comes_back_as_typed_frames(session: Session) -> None:
    await session.buy("005930", 3)
    numbers = 0
    hidden = secrets()
    for name in SERVED:
        result = await getattr(session.api, name)(**given(name))
        for block in APIS[name].blocks:
            frame = frames_of(name, result)[block.name]
            kinds = column_types(APIS[name], block)
            assert dict(frame.schema) == {n: TYPES[kind] for n, kind in kinds.items()}, name
            assert frame.height or block.shape == "array", (name, block.name)
            rows = frame.rows()
            numbers += sum(isinstance(value, int | float) for row in rows for value in row)
            assert not any(secret in str(rows) for secret in hidden), name
    assert numbers > 5_000


@on_simulated_day(start="11:00")
async def test_k14_a_call_by_name_is_checked_here_and_known_to_tab_and_help(
    session: Session,
) -> None:
    with pytest.raises(UnknownCall, match="did you mean inquire_price"):
        _ = session.api.inquire_prise
    assert not hasattr(session.api, "inquire_prise")
    with pytest.raises(BadInput, match="needs fid_input_iscd"):
        session.api.inquire_price(fid_cond_mrkt_div_code="J")
    for name in ("order_cash_buy", "order_rvsecncl", "order_resv"):
        with pytest.raises(BadInput, match="%kis"):
            getattr(session.api, name)
    call = session.api.inquire_price(fid_cond_mrkt_div_code="J", fid_input_iscd="005930")
    assert "Write await before the call" in repr(call)
    asked = len(posts("inquire-price"))
    price = await call
    assert isinstance(price, pl.DataFrame)
    assert price["stck_prpr"].to_list() == [(await session.quote("005930")).price]
    assert len(posts("inquire-price")) == asked + 2
    # The simulator refuses what it has no facts of, as KIS refuses an unknown service.
    with pytest.raises(ApiError, match="OPSQ0002"):
        await session.api.news_title(**given("news_title"))
    _tab_and_help_know(session)
    session._parts.state.mode = Mode.PAPER
    with pytest.raises(NotOffered, match=r"Paper has no volume_rank\. Use live or sim for it"):
        session.api.volume_rank(**given("volume_rank"))
    assert posts() == posts("volume-rank") == []


@on_simulated_day(start="11:00")
async def test_k14_every_channel_of_the_desk_and_one_of_an_index_give_typed_records(
    session: Session,
) -> None:
    async def records(name: str, key: str) -> pl.DataFrame:
        frame = await getattr(session.api, name)(tr_key=key)
        types = channels()[name].types
        assert dict(frame.schema) == {n: TYPES[kind] for n, kind in types.items()}, name
        return frame

    keys = {tr_id.lower(): "005930" for tr_id in LAYOUTS} | {"h0upcnt0": "0001"}
    for name, key in keys.items():
        with pytest.warns(RuntimeWarning, match="has brought no record of"):
            assert (await records(name, key)).is_empty()
    # The same registration serves ``watch``, and another stock's records stay out.
    await session.watch("005930", "000660")
    await session.until("11:00:20")
    trades = await records("h0stcnt0", "005930")
    seen = session.ticks("005930")
    assert trades["mksc_shrn_iscd"].unique().to_list() == ["005930"]
    assert trades.tail(20)["stck_prpr"].to_list() == seen.tail(20)["price"].to_list()
    assert trades["cntg_vol"].sum() >= seen["qty"].sum() > 0
    for name in ("h0uncnt0", "h0stasp0", "h0nxasp0", "h0unasp0", "h0upcnt0"):
        assert not (await records(name, keys[name])).is_empty(), name
    with pytest.raises(BadInput, match="notices about an account's orders"):
        session.api.h0stcni0(tr_key="me")
    with pytest.raises(BadInput, match=r"channel h0stcnt0 needs tr_key\. Give tr_key="):
        session.api.h0stcnt0()
    with pytest.raises(UnknownCall, match="did you mean h0stcnt0"):
        _ = session.api.h0stcnt


@on_simulated_day(start="11:00")
async def test_k14_rows_whose_next_page_does_not_come_are_shown_with_a_warning(
    session: Session,
) -> None:
    """KIS sends fifty open orders a page."""
    lower = (await session.quote("005930")).lower
    await asyncio.gather(*(session.buy("005930", 1, lower + 100 * n) for n in range(52)))
    call = session.api.inquire_psbl_rvsecncl
    params = given("inquire_psbl_rvsecncl")
    whole = await call(**params)
    assert whole.height == 52
    await session.simulator.fault("read", "error", tr_id="TTTC0084R", nth=2, times=99)
    with pytest.warns(RuntimeWarning, match=r"some pages did not come\. Ask for a shorter span"):
        part = await call(**params)
    assert part.equals(whole[:50])


@on_simulated_day(start="11:00")
async def test_k14_the_calls_without_await_give_what_the_awaited_ones_give(
    session: Session,
) -> None:
    blocking = session.blocking.api
    params = {"fid_cond_mrkt_div_code": "J", "fid_input_iscd": "005930"}
    price = await session.api.inquire_price(**params)
    assert blocking.inquire_price(**params).equals(price)
    assert blocking.inquire_price.__doc__ == session.api.inquire_price.__doc__
    assert dir(blocking) == dir(session.api)
    assert blocking.search("외국인").equals(session.api.search("외국인"))
    # A channel is subscribed to here as well.
    await session.watch("005930")
    await session.until("11:00:20")
    records = await session.api.h0stcnt0(tr_key="005930")
    assert blocking.h0stcnt0(tr_key="005930").equals(records)
    with pytest.raises(BadInput, match="needs fid_input_iscd"):
        blocking.inquire_price(fid_cond_mrkt_div_code="J")
    with pytest.raises(BadInput, match="%kis buy"):
        _ = blocking.order_cash_buy
    with pytest.raises(UnknownCall, match="did you mean inquire_price"):
        _ = blocking.inquire_prise


@on_simulated_day(start="11:00")
async def test_k14_what_paper_does_not_offer_is_refused_here_for_every_call(
    session: Session,
) -> None:
    """Of each call that paper lacks, nothing reaches KIS. Both faces refuse it."""
    session._parts.state.mode = Mode.PAPER
    lacking = [api.name for api in reading_calls() if api.tr_live and not api.tr_paper]
    assert len(lacking) > 100
    before = len(recording())
    for name in lacking:
        for face in (session.api, session.blocking.api):
            with pytest.raises(NotOffered, match=rf"Paper has no {name}\. Use live or sim for it"):
                getattr(face, name)(**given(name))
    assert len(recording()) == before


def _tab_and_help_know(session: Session) -> None:
    shell = InteractiveShell()
    shell.user_ns["session"] = session

    def offered(text: str) -> set[str]:
        with provisionalcompleter():
            return {c.text for c in shell.Completer.completions(text, len(text))}

    assert "inquire_price" in offered("session.api.inquire_pri")
    assert "fid_input_iscd=" in offered("session.api.inquire_price(fid_in")
    assert "order_cash_buy" not in offered("session.api.order_")
    shown = shell.object_inspect_text("session.api.inquire_price")
    assert "주식현재가 시세" in shown
    assert "stck_prpr (Int64): 주식 현재가" in shown
