"""Paper and live: the same code with another address. Live buys once it is armed (rows N06, N11.

Cures).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import kisnb
from kisnb.cli import main
from kisnb.desk.address import desk_lock, find_desk
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.desk.locks import Lock
from kisnb.errors import BadInput, ConfigError, DeskLost, LinkLost, OrderDenied, TokenError
from kisnb.paths import state_dir
from kisnb.session.session import Session
from kisnb.terms import Mode
from tests.session.opening import begun_for_live, on_simulated_day, posts, stop_sim_desk, traded


@pytest.fixture
def yaml_file(monkeypatch: pytest.MonkeyPatch, state: Path, trading_hours: None) -> Iterator[Path]:
    """An official-style configuration that points live at a running simulator, whose minutes pass
    quickly."""
    monkeypatch.setenv("KISNB_SIM_SPEED", "300")

    path = begun_for_live(state)
    monkeypatch.setenv("KISNB_CREDENTIALS", str(path))
    yield path
    main(["desk", "stop", "--mode", "live"])


async def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says of the live desk."""
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["desk", "status", "--mode", "live"]) == 0
    return capsys.readouterr().out


def test_n06_live_refuses_a_buy_in_one_line_until_a_person_has_armed_it(
    yaml_file: Path, capsys: pytest.CaptureFixture[str]
):
    stop_sim_desk()
    tail = yaml.safe_load(yaml_file.read_text("utf-8"))["my_acct_stock"][4:8]

    async def work() -> None:
        async with await kisnb.connect("live") as session:
            quote = await session.quote("005930")
            assert quote.price > 0
            assert (await session.balance()).cash == 100_000_000
            with pytest.raises(
                OrderDenied,
                match="Live is not armed: buys are blocked; sells and cancels are allowed",
            ) as caught:
                await session.buy("005930", 1)
            assert "\n" not in str(caught.value)
            with pytest.raises(BadInput, match="not the last four digits"):
                await session.arm("0000", 30, 5_000_000)
            assert "not armed: buys are blocked" in await shown(capsys)
            armed = await session.arm(tail, 30, 100)
            assert "armed until" in armed
            until = armed.split("until ")[1][:8]
            assert (
                f"armed until {until} KST: buys of 0 won filled of a budget of 100 won"
                in await shown(capsys)
            )
            with pytest.raises(OrderDenied, match="more than the 100 won left of the armed budget"):
                await session.buy("005930", 1, key="second")
            assert (
                await session.arm("", 0, 0)
                == "disarmed: buys are blocked; sells and cancels are allowed"
            )

    asyncio.run(work())
    assert posts() == []


def test_n06_a_desk_that_died_comes_back_disarmed(yaml_file: Path):
    stop_sim_desk()
    tail = yaml.safe_load(yaml_file.read_text("utf-8"))["my_acct_stock"][4:8]

    async def work() -> None:
        async with await kisnb.connect("live") as session:
            await session.arm(tail, 30, 50_000_000)
            await session.buy("005930", 1)
            desk = find_desk(Mode.LIVE)
            assert desk is not None
            os.kill(desk.pid, signal.SIGKILL)
            # The first question after its death waits for the next desk.
            while session.status.armed is not None:
                await session.quote("005930")
            with pytest.raises(OrderDenied, match="Live is not armed"):
                await session.buy("005930", 2)

    asyncio.run(work())
    assert len(posts()) == 1


def test_a07_the_command_line_halts_the_desk_that_runs_without_being_told_its_mode(
    yaml_file: Path, capsys: pytest.CaptureFixture[str]
):
    stop_sim_desk()

    async def work() -> None:
        async with await kisnb.connect("live") as session:
            assert await asyncio.to_thread(main, ["halt", "no", "mode", "named"]) == 0
            await session.sleep(0.1)
            assert session.halt_state == "halted"
            assert await asyncio.to_thread(main, ["halt", "--off", "over"]) == 0

    asyncio.run(work())
    out = capsys.readouterr().out
    assert "live block: no new order passes: no mode named" in out
    assert "the live desk: lifted: halted because of 'no mode named'" in out


def test_a_second_desk_on_the_same_keys_is_refused(yaml_file: Path):
    with pytest.raises(kisnb.errors.DeskBusy, match=r"Another desk .* holds this appkey"):
        asyncio.run(kisnb.connect("live"))


def test_wrong_keys_are_one_line_with_the_cure(
    yaml_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stop_sim_desk()
    text = yaml_file.read_text("utf-8")
    secret = next(
        line.split('"')[1] if '"' in line else line.split(": ")[1]
        for line in text.splitlines()
        if line.startswith("my_sec")
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(secret, "X" * 180), "utf-8")
    monkeypatch.setenv("KISNB_CREDENTIALS", str(wrong))
    with pytest.raises(TokenError, match="Check the appkey and appsecret") as caught:
        asyncio.run(kisnb.connect("live"))
    assert "XXXX" not in str(caught.value)


def test_missing_keys_are_one_line_with_the_cure():
    with pytest.raises(ConfigError, match="kisnb keys store --mode paper"):
        asyncio.run(kisnb.connect("paper"))


def test_mistakes_of_opening_leave_nothing_half_open():
    async def work(session: Session) -> None:
        with pytest.raises(ConfigError, match="--fresh"):
            await kisnb.connect("sim", seed=99)
        assert (await session.quote("005930")).price > 0

    traded(work)
    for options, words in (
        ({"mode": "real"}, "sim, paper or live"),
        ({"date": "someday"}, "YYYY-MM-DD"),
        ({"start": "25:00"}, "not a time of day"),
        ({"mode": "live", "seed": 1}, "simulated day"),
    ):
        with pytest.raises(BadInput, match=words):
            asyncio.run(kisnb.connect(**options))


def test_a_holiday_is_refused_with_the_day_to_take():
    with pytest.raises(ConfigError, match="2026-11-20"):
        asyncio.run(kisnb.connect("sim", date="2026-11-21"))


@on_simulated_day()
async def test_a_dead_simulator_ends_every_wait_with_the_cure(session: Session) -> None:
    address = find_simulator(state_dir())
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    with pytest.raises((LinkLost, DeskLost), match="%kis open sim"):
        await session.until("10:30")


def test_a_halt_from_the_command_line_refuses_new_orders_until_it_is_lifted(
    capsys: pytest.CaptureFixture[str],
):
    async def work(session: Session) -> None:
        assert await asyncio.to_thread(main, ["halt", "lunch"]) == 0
        with pytest.raises(OrderDenied, match="%kis halt off"):
            await session.buy("005930", 1)
        await session.resume("back")
        await session.buy("005930", 1)
        assert await asyncio.to_thread(main, ["halt", "--off", "lunch is over"]) == 0

    traded(work)
    assert "no new order passes" in capsys.readouterr().out
    assert len(posts()) == 1


def test_a_desk_command_without_a_mode_means_the_desk_that_runs(
    yaml_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody with a live desk in trouble reads that no sim desk runs."""
    stop_sim_desk()

    async def work() -> None:
        async with await kisnb.connect("live"):
            capsys.readouterr()
            assert await asyncio.to_thread(main, ["desk", "status"]) == 0
            assert capsys.readouterr().out.startswith("live:")
            paper = Lock(desk_lock(Mode.PAPER), "this account")
            assert await asyncio.to_thread(main, ["desk", "stop"]) == 1
            assert "2 desks run: live, paper. Name one with --mode" in capsys.readouterr().err
            paper.close(remove=True)
        assert await asyncio.to_thread(main, ["desk", "stop"]) == 0
        assert "live desk" in capsys.readouterr().out

    asyncio.run(work())


@pytest.mark.parametrize("typed", ["--f", "--flat", "--o"])
def test_an_abbreviated_option_of_halt_is_refused(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["halt", typed])
    assert ended.value.code == 2
    assert "unknown arguments" in capsys.readouterr().err
