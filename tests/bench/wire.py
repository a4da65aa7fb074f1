"""Frames to facts: records a second, beside ``str.split`` alone and beside the peers on PyPI, all
in one run.

Peers that are not installed are named and left out. Each gets the same texts: frames of one to four
trades of 46 columns, as they came until 2026-09-11, for the peers know no others. What counts as
delivered is what a user of theirs gets to see.
"""

from __future__ import annotations

import random
import statistics
import timeit
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

from kisnb.clock import SECOND, kst
from kisnb.events import Depth, Notice, Tick
from kisnb.kis.feed import control_frames as cf
from kisnb.kis.feed.columns import WORKBOOK, columns
from kisnb.kis.feed.frame_reader import FrameReader
from kisnb.kis.feed.frames import encode, encode_depth, encode_tick
from kisnb.kis.feed.notices import Cipher, NoticeMore, encode_notice
from kisnb.terms import Side, Venue

FRAMES, ROUNDS = 400, 60
DAY = date(2026, 9, 11)
NOON = kst(DAY, 12 * 3600)
ACCOUNT = "1234567801"
OF_A_DAY = {
    "PRDY_VRSS_SIGN": 5, "PRDY_VRSS": -100, "PRDY_CTRT": "-0.14", "WGHN_AVRG_STCK_PRC": "72023.83",
    "STCK_OPRC": 72_100, "STCK_HGPR": 72_400, "STCK_LWPR": 71_700, "SELN_CNTG_CSNU": 5_105,
    "SHNU_CNTG_CSNU": 6_937,
    "NTBY_CNTG_CSNU": 1_832, "CTTR": "84.90", "SELN_CNTG_SMTN": 1_366_314,
    "SHNU_CNTG_SMTN": 1_159_996,
    "SHNU_RATE": "0.39", "PRDY_VOL_VRSS_ACML_VOL_RATE": "20.28", "OPRC_HOUR": "090020",
    "OPRC_VRSS_PRPR_SIGN": 5,
    "OPRC_VRSS_PRPR": -200, "HGPR_HOUR": "090820", "HGPR_VRSS_PRPR_SIGN": 5, "HGPR_VRSS_PRPR": -500,
    "LWPR_HOUR": "092619", "LWPR_VRSS_PRPR_SIGN": 2, "LWPR_VRSS_PRPR": 200, "ASKP_RSQN1": 65_945,
    "BIDP_RSQN1": 216_924, "TOTAL_ASKP_RSQN": 1_118_750, "TOTAL_BIDP_RSQN": 2_199_206,
    "VOL_TNRT": "0.05",
    "PRDY_SMNS_HOUR_ACML_VOL": 2_424_142, "PRDY_SMNS_HOUR_ACML_VOL_RATE": "125.92",
    "VI_STND_PRC": 72_100,
}  # fmt: skip
"""What KIS's documented example carries besides the trade itself."""
KEY, IV = "k" * 32, "i" * 16
Reader = Callable[[Sequence[str]], int]
"""Reads texts; how many records it delivered."""


class Speed(NamedTuple):
    """Records a second, time as a multiple of splitting alone, and the share of records
    delivered."""

    per_second: float
    times_split: float
    delivered: float


def trade_frames(seed: int = 1) -> list[tuple[int, str]]:
    """Frames with the number of their records."""
    rng = random.Random(seed)
    frames, volume, value = [], 3_052_507, 219_853_241_700
    for n in range(FRAMES):
        rows = []
        for _ in range(rng.randint(1, 4)):
            price, qty = rng.randrange(71_000, 73_000, 100), rng.randint(1, 400)
            volume, value = volume + qty, value + price * qty
            tick = Tick(
                NOON + n * SECOND // 8,
                "005930",
                Venue.KRX,
                price,
                qty,
                Side.BUY,
                volume,
                value,
                price,
                price - 100,
            )
            rows.append(encode_tick(tick, OF_A_DAY))
        frames.append((len(rows), encode("H0STCNT0", rows)))
    return frames


def book_frames() -> list[tuple[int, str]]:
    """Depths of 59 columns, as KIS's workbook had them until 2026-09-11."""
    asks, bids = (tuple((72_000 + step * i, 1_000 + i) for i in range(10)) for step in (100, -100))
    depth = Depth(NOON, "005930", Venue.KRX, asks, bids)
    return [
        (1, encode("H0STASP0", [encode_depth(depth, names=columns("H0STASP0", DAY, WORKBOOK))]))
    ] * FRAMES


def notice_frames() -> list[tuple[int, str]]:
    notice = Notice(NOON, "filled", 7, 0, "005930", Side.BUY, 3, 71_900, "06010", Venue.KRX)
    record = encode_notice(notice, NoticeMore("someone", ACCOUNT, 3, 71_900, name="삼성전자"))
    return [
        (1, encode("H0STCNI0", [[Cipher(KEY, IV).encrypt("^".join(record))]], encrypted=True))
    ] * FRAMES


def kisnb_reader() -> Reader:
    reader = FrameReader(ACCOUNT)
    reader.learn_key(cf.Ack("H0STCNI0", "someone", cf.SUBSCRIBED, key=KEY, iv=IV))
    return lambda texts: sum(len(reader.read(text, NOON)) for text in texts)


def mojito_reader() -> Reader:
    from mojito.koreainvestment import KoreaInvestmentWS

    seen: list[Any] = []
    ws: Any = KoreaInvestmentWS.__new__(KoreaInvestmentWS)
    ws.queue = type("Queue", (), {"put": seen.append})()
    ws.aes_key, ws.aes_iv = KEY, IV
    readers = {"H0STCNT0": lambda t: ws.parse_execution(t[2], t[3]),
        "H0STASP0": lambda t: ws.parse_orderbook(t[3]),
               "H0STCNI0": lambda t: ws.parse_notice(t[3])}  # fmt: skip

    def read(texts: Sequence[str]) -> int:
        seen.clear()
        for text in texts:
            tokens = text.split("|")
            readers[tokens[1]](tokens)
        return len(seen)

    return read


def python_kis_reader() -> Reader:
    from pykis.api.websocket.price import KisDomesticRealtimePrice
    from pykis.responses.websocket import KisWebsocketResponse

    def read(texts: Sequence[str]) -> int:
        n = 0
        for text in texts:
            _, _, count, payload = text.split("|", 3)
            n += len(
                list(
                    KisWebsocketResponse.parse(
                        payload, int(count), response_type=KisDomesticRealtimePrice
                    )
                )
            )
        return n

    return read


def kis_agent_reader() -> Reader:
    from kis_agent.websocket.client import KisWebSocket

    seen: list[Any] = []
    ws: Any = KisWebSocket.__new__(KisWebSocket)
    ws.latest_trade, ws.enable_ask_bid = {}, False
    ws.update_price_and_indicators = lambda: None
    ws.update_trade_history = lambda *said: seen.append(said)

    def read(texts: Sequence[str]) -> int:
        seen.clear()
        for text in texts:
            ws.handle_message(text)
        return len(seen)

    return read


PEERS = {"mojito2": mojito_reader, "python-kis": python_kis_reader, "kis-agent": kis_agent_reader}


def measure(frames: Sequence[tuple[int, str]], readers: dict[str, Reader]) -> dict[str, Speed]:
    """The best rate of many interleaved rounds, and the median of what each round took beside its
    own split."""
    texts = [text for _, text in frames]
    payloads = [text.split("|", 3)[3] for text in texts]
    total = sum(n for n, _ in frames)

    def split(_: Sequence[str]) -> int:
        for payload in payloads:
            payload.split("^")
        return total

    runs: dict[str, Reader] = {"str.split": split, **readers}
    delivered = {name: run(texts) / total for name, run in runs.items()}
    rounds = [
        {name: timeit.timeit(lambda run=run: run(texts), number=1) for name, run in runs.items()}  # type: ignore[misc]
        for _ in range(ROUNDS)
    ]
    return {
        name: Speed(
            total / min(took[name] for took in rounds),
            statistics.median(took[name] / took["str.split"] for took in rounds),
            delivered[name],
        )
        for name in runs
    }


def present() -> tuple[dict[str, Reader], list[str]]:
    """Readers of the peers that are installed, and the names of the absent ones."""
    readers: dict[str, Reader] = {}
    absent = []
    for name, build in PEERS.items():
        try:
            readers[name] = build()
        except ImportError:
            absent.append(name)
    return readers, absent


TARGETS = ("≤ 2.3 × split, 100 %", "≤ 3 × split", "≥ 200,000 records/s")


def report() -> None:
    peers, absent = present()
    ours = kisnb_reader()
    works = {
        "trades, 1 to 4 records a frame": (trade_frames(), {"kisnb": ours, **peers}),
        "books of ten levels": (book_frames(), {"kisnb": ours, **_only(peers, "mojito2")}),
        "encrypted notices": (notice_frames(), {"kisnb": ours, **_only(peers, "mojito2")}),
    }
    for (what, (frames, readers)), target in zip(works.items(), TARGETS, strict=True):
        print(f"\nframes to facts: {what}")
        for name, speed in measure(frames, readers).items():
            goal = f"   target {target}" if name == "kisnb" else ""
            print(
                f"  {name:12s} {speed.per_second:12,.0f} records/s {speed.times_split:8.2f} × split"
                f" {speed.delivered:7.0%} delivered{goal}"
            )
    if absent:
        print(f"  not installed: {', '.join(absent)}")


def _only(peers: dict[str, Reader], *names: str) -> dict[str, Reader]:
    return {name: peers[name] for name in names if name in peers}


if __name__ == "__main__":
    report()
