"""R01, R03–R05: the market code of rankings, and the venue by session, spread and liquidity."""

from itertools import product
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kisnb.errors import BadInput
from kisnb.market.routing.router import Router
from kisnb.terms import SessionId

PRE, REG, LATE, OFF = SessionId.NXT_PRE, SessionId.KRX_REG, SessionId.NXT_AFTER, SessionId.KR_OFF
SPREAD, LIQUIDITY, FALLBACK, DEFAULT = (
    "dual_listing_spread", "dual_listing_liquidity", "fallback_data_unavailable", "session_default",
)  # fmt: skip


def resolve(session: SessionId | str, *, dual: bool = True,
    spreads: tuple[float | None, float | None] = (None, None),
            depths: tuple[float | None, float | None] = (None, None)) -> tuple[str,
            str]:  # fmt: skip
    found = Router.resolve_for_order(
        stock_code="005930",
        session_id=session,
        is_dual_listed=dual,
        spread_krx=spreads[0],
        spread_nxt=spreads[1],
        liquidity_krx=depths[0],
        liquidity_nxt=depths[1],
    )
    return found.exchange_code, found.reason


@pytest.mark.parametrize(
    ("session", "code"), [(REG, "J"), (OFF, "J"), (PRE, "NX"), (LATE, "NX"), ("NXT_PRE", "NX")]
)
def test_r01_a_session_id_gives_the_market_code_of_rankings(
    session: SessionId | str, code: str
) -> None:
    assert Router.resolve_for_ranking(session) == code
    assert Router().resolve_for_ranking(session) == code


@pytest.mark.parametrize(
    ("krx", "nxt", "venue"),
    [(100, 50, "NXT"), (50, 100, "KRX"), (100, 100, "KRX"), (100, 99.5, "NXT"), (0, 0, "KRX")],
)
def test_r03_nxt_only_when_its_spread_is_strictly_tighter(
    krx: float, nxt: float, venue: str
) -> None:
    assert resolve(REG, spreads=(krx, nxt)) == (venue, SPREAD)
    assert resolve(REG, spreads=(krx, nxt), depths=(1, 1_000)) == (venue, SPREAD)


@pytest.mark.parametrize(
    ("session", "venue"), [(REG, "KRX"), (PRE, "NXT"), (LATE, "NXT"), (OFF, "KRX")]
)
def test_r03_a_tie_goes_to_the_default_of_the_session(session: SessionId, venue: str) -> None:
    assert resolve(session, spreads=(100, 100)) == (venue, SPREAD)


@pytest.mark.parametrize(
    "spreads", [(None, None), (100, None), (None, 100), (-1, 100), (100, nan), (inf, 100)]
)
@pytest.mark.parametrize(
    ("krx", "nxt", "venue"), [(10, 20, "NXT"), (20, 10, "KRX"), (10, 10, "KRX")]
)
def test_r04_the_deeper_venue_when_spreads_are_missing(
    spreads: tuple[float | None, float | None], krx: float, nxt: float, venue: str
) -> None:
    assert resolve(REG, spreads=spreads, depths=(krx, nxt)) == (venue, LIQUIDITY)


@pytest.mark.parametrize(
    "depths", [(None, None), (0, 100), (100, 0), (0, 0), (None, 100), (100, None), (-5, 100)]
)
@pytest.mark.parametrize(
    ("session", "venue"), [(REG, "KRX"), (PRE, "NXT"), (LATE, "NXT"), (OFF, "KRX")]
)
def test_r05_missing_data_falls_back_to_the_default_of_the_session(
    session: SessionId, venue: str, depths: tuple[float | None, float | None]
) -> None:
    assert resolve(session, depths=depths) == (venue, FALLBACK)


@pytest.mark.parametrize(
    ("session", "venue"), [(REG, "KRX"), (PRE, "NXT"), (LATE, "NXT"), (OFF, "KRX")]
)
def test_r05_a_stock_that_is_not_dual_listed_goes_by_session(
    session: SessionId, venue: str
) -> None:
    assert resolve(session, dual=False) == (venue, DEFAULT)
    assert resolve(session, dual=False, spreads=(100, 50), depths=(1, 100)) == (venue, DEFAULT)


@pytest.mark.parametrize("session", [PRE, LATE])
def test_r05_a_better_krx_book_is_set_aside_in_nextrades_sessions(session: SessionId) -> None:
    assert resolve(session, spreads=(50, 100)) == ("NXT", DEFAULT)
    assert resolve(session, depths=(900, 100)) == ("NXT", DEFAULT)
    assert resolve(session, spreads=(100, 50)) == ("NXT", SPREAD)
    assert resolve(session, depths=(100, 900)) == ("NXT", LIQUIDITY)


def test_r05_a_better_nxt_book_is_set_aside_when_all_is_closed() -> None:
    assert resolve(OFF, spreads=(100, 50)) == ("KRX", DEFAULT)
    assert resolve(OFF, spreads=(50, 100)) == ("KRX", SPREAD)


@pytest.mark.parametrize("session", ["KRX", "", "nxt_pre"])
def test_r01_an_unknown_session_fails_loudly(session: str) -> None:
    with pytest.raises(BadInput, match="is not a valid session id"):
        Router.resolve_for_ranking(session)
    with pytest.raises(BadInput, match="NXT_PRE, KRX_REG"):
        resolve(session)


values = st.one_of(st.none(), st.integers(0, 10_000), st.floats(0, 1e6))


@given(st.sampled_from(SessionId), st.booleans(), values, values, values, values)
def test_r05_every_pattern_of_missing_inputs(
    session: SessionId, dual: bool, spread_krx: float | None, spread_nxt: float | None,
    liquidity_krx: float | None, liquidity_nxt: float | None,
) -> None:  # fmt: skip
    """The rules once more as decisions one below the other, over all values and over all 16
    patterns of gaps."""
    numbers = (spread_krx, spread_nxt, liquidity_krx, liquidity_nxt)
    for gaps in product((False, True), repeat=4):
        sk, sn, dk, dn = (
            None if gap else number for gap, number in zip(gaps, numbers, strict=True)
        )
        home = "NXT" if session in (PRE, LATE) else "KRX"
        if not dual:
            wanted = home, DEFAULT
        elif sk is not None and sn is not None:
            wanted = ("NXT" if sn < sk else "KRX" if sk < sn else home), SPREAD
        elif dk and dn:
            wanted = ("NXT" if dn > dk else "KRX" if dk > dn else home), LIQUIDITY
        else:
            wanted = home, FALLBACK
        if session is not REG and wanted[0] != home:
            wanted = home, DEFAULT
        found = [resolve(session, dual=dual, spreads=(sk, sn), depths=(dk, dn)) for _ in range(2)]
        assert found == [wanted, wanted]
