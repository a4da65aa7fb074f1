"""``%kis bars``, ``chart``, ``history`` and ``download`` in a notebook. Rows H01 and H11."""

from __future__ import annotations

from pathlib import Path

from .real_kernels import kernel, stop_desk

OPEN = "%kis open sim --seed 7 --date 2026-11-20 --start 09:29:30"


def test_h11_a_chart_shows_the_day_from_0800_and_years_of_days_and_says_why_it_is_empty(
    state: Path,
) -> None:
    with kernel(state) as k:
        k.ok("import kisnb\n%load_ext kisnb")
        k.ok(OPEN)
        assert "bars 08:00 to 09:28" in k.ok("%kis chart 005930").text
        assert "bars 08:00 to 08:00" in k.ok("%kis chart 005930 --every 1h").text
        # The first bar of a day belongs to KRX when KRX is named.
        assert "bars 08:30 to 09:28" in k.ok("%kis chart 005930 --venue KRX").text
        years = k.ok("%kis chart 005930 --every 1d").text
        assert "bars 2023-11-21 to 2026-11-20" in years
        assert "bars 2021-11-" in k.ok("%kis chart 005930 --every 1w").text
        none = "Nextrade does not trade 0004V0. Ask for KRX."
        assert none in k.ok("%kis chart 0004V0 --venue NXT").text
        assert f"[SIM] 0004V0: {none}" in k.ok("bars = %kis bars 0004V0 --venue NXT").text
        assert k.ok("print(kisnb.why_missing(bars))").text == f"{none}\n"
        refused = k.run("%kis bars 005930 --every 1y").error
        assert "1y" in refused
        # In a function nobody awaits.
        k.ok("def look():\n    bars = %kis bars 005930\n    return bars['t'].len()")
        assert int(k.ok("print(look())").text) > 60
    stop_desk(state)


def test_h01_history_and_download_are_verbs(state: Path) -> None:
    with kernel(state) as k:
        k.ok("%load_ext kisnb")
        k.ok(OPEN)
        k.ok("days = %kis history 005930 --from 2026-11-16")
        assert k.ok("print(days['date'].dt.day().to_list(), days['whole'].to_list())").text == (
            "[16, 17, 18, 19, 20] [True, True, True, True, False]\n"
        )
        k.ok("fives = %kis history 005930 --every 5m --from 2026-11-19 --to 2026-11-19")
        k.ok("raw = %kis history 005930 --every 1d --from 2026-11-19 --to 2026-11-19 --raw")
        assert k.ok("print(fives['volume'].sum() >= raw['volume'][0] > 0)").text == "True\n"
        k.ok("nxt = %kis history 005930 --from 2026-11-19 --to 2026-11-19 --venue NXT")
        assert k.ok("print(0 < nxt['volume'][0] < raw['volume'][0])").text == "True\n"
        assert (
            "There is no trading day from 2026-11-14 to 2026-11-15."
            in k.ok("%kis history 005930 --from 2026-11-14 --to 2026-11-15").text
        )
        k.ok("done = %kis download 005930 000660 --from 2026-11-16")
        assert k.ok("print(done.select('code', 'bars', 'missing').rows())").text == (
            "[('005930', 4, 0), ('000660', 4, 0)]\n"
        )
        k.ok("one = %kis download 035420 --every 1m --from 2026-11-19 --to 2026-11-19 --venue KRX")
        assert k.ok("print(one['bars'][0] > 100, one['missing'][0])").text == "True 0\n"
        assert "comes after" in k.run("%kis history 005930 --from 2026-11-19 --to 2026-11-18").error
        assert "2026-13-01" in k.run("%kis download 005930 --from 2026-13-01").error
    stop_desk(state)
