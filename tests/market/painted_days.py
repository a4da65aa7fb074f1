"""Four days and the tick tables written down a second time, in another form, by hand from the
rules.

Nothing here is computed from ``kisnb.market``: a day is a string of 86,400 letters that is painted
stretch by stretch with clock times of that very day, a tick table is a list of run lengths.
"""

from __future__ import annotations

LETTER = {"closed": ".", "entry only": "e", "auction": "a", "continuous": "c"}
LABEL = {"KR_OFF": ".", "NXT_PRE": "p", "KRX_REG": "r", "NXT_AFTER": "n"}

DAYS: dict[str, dict[str, str]] = {
    "2026-09-11": {
        "KRX": (
            "083000a090000 090000c152000 152000a153000 153000e154000 154000c160000 160000a180000"
        ),
        "NXT": "080000c085000 090030c152000 153000e154000 154000c200000",
        "id": "080000p085000 090000r153000 153000n200000",
    },
    "2026-09-14": {
        "KRX": (
            "083000a090000 090000c152000 152000a153000 153000e154000 154000c160000 160000c200000"
        ),
        "NXT": "080000c085000 090030c152000 153000e154000 154000c200000",
        "id": "080000p085000 090000r153000 153000n200000",
    },
    # first trading day of the year: opening an hour later, no pre-market, close as usual, still
    # with the single-price session
    "2026-01-02": {
        "KRX": (
            "093000a100000 100000c152000 152000a153000 153000e154000 154000c160000 160000a180000"
        ),
        "NXT": "100030c152000 153000e154000 154000c200000",
        "id": "100000r153000 153000n200000",
    },
    # college entrance exam: everything an hour later, no pre-market, end as usual
    "2026-11-19": {
        "KRX": (
            "093000a100000 100000c162000 162000a163000 163000e164000 164000c170000 170000c200000"
        ),
        "NXT": "100030c162000 163000e164000 164000c200000",
        "id": "100000r163000 163000n200000",
    },
}


def painted(stretches: str) -> str:
    """86,400 letters, one for each second of the day."""
    seconds = ["."] * 86_400
    for stretch in stretches.split():
        start, letter, end = _second(stretch[:6]), stretch[6], _second(stretch[7:])
        seconds[start:end] = letter * (end - start)
    return "".join(seconds)


def _second(hhmmss: str) -> int:
    return int(hhmmss[:2]) * 3600 + int(hhmmss[2:4]) * 60 + int(hhmmss[4:])


MILLION = 1_000_000
TICKS: dict[str, list[tuple[int, int]]] = {
    # (how many prices, tick), from 1 won on
    "KOSPI 2022": [(999, 1), (4_000, 5), (5_000, 10), (40_000, 50), (50_000, 100), (400_000, 500),
        (500_001, 1_000)],
    "KOSDAQ 2022": [(999, 1), (4_000, 5), (5_000, 10), (40_000, 50), (950_001, 100)],
    "stock 2026": [
        (1_999, 1), (3_000, 5), (15_000, 10), (30_000, 50), (150_000, 100), (300_000, 500),
        (500_001, 1_000),
    ],
    "fund 2022": [(1_000_000, 5)],
    "fund 2026": [(1_999, 1), (998_001, 5)],
}  # fmt: skip


def tick_run(name: str) -> list[int]:
    """The tick at every price from 1 to 1,000,000 won."""
    run = [tick for count, tick in TICKS[name] for _ in range(count)]
    assert len(run) == MILLION
    return run
