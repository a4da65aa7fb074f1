"""Sessions on a real desk and a real simulator, and what the simulator recorded of them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import urllib.request
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import kisnb
from kisnb.clock import KST
from kisnb.desk.address import desk_folder, find_desk
from kisnb.desk.life.launch import stop_desk
from kisnb.desk.life.simulator_process import find_simulator
from kisnb.kis.catalogue import APIS
from kisnb.market.calendar import next_trading_day
from kisnb.paths import state_dir
from kisnb.session.session import Session
from kisnb.terms import Mode

DAY = "2026-11-20"


def traded(work: Callable[[Session], Coroutine[Any, Any, Any]], **options: Any) -> Any:
    """Open a session on a simulated day, do ``work`` with it, close it.

    Gives what ``work`` returned.
    """

    async def day() -> Any:
        async with await kisnb.connect(
            "sim", **{"seed": 7, "date": DAY, "start": "10:00", **options}
        ) as session:
            return await work(session)

    return asyncio.run(asyncio.wait_for(day(), 300))


def on_simulated_day(
    **options: Any,
) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., None]]:
    """Run an async test with an open session on a simulated day, its first argument.

    The other arguments are fixtures. ``options`` are those of ``traded``.
    """

    def decorated(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            traded(lambda session: test(session, **fixtures), **options)

        # Pytest must not look for a fixture named like the session.
        signature = inspect.signature(test)
        fixtures = list(signature.parameters.values())[1:]
        run.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return run

    return decorated


def begun_for_live(state: Path) -> Path:
    """Start a simulator under ``state``.

    The official-style configuration that points live at it.
    """

    async def begin(_: Session) -> None: ...

    # The machine's clock and the simulated one must agree on whether a token has expired.
    tomorrow = next_trading_day(datetime.now(KST).date())
    traded(begin, start="09:00", date=str(tomorrow))
    return state / "sim" / "kis_devlp.yaml"


def stop_sim_desk() -> None:
    """The simulator goes on, and its appkey is free."""
    assert find_desk(Mode.SIM) is not None
    stop_desk(Mode.SIM)


def recording() -> list[dict[str, Any]]:
    """The lines of the simulator's record of this test, oldest first."""
    return [json.loads(line) for line in whole_lines(recording_path())]


def whole_lines(path: Path) -> list[str]:
    """The lines of a file to which a process may be writing one: that line is waited for."""
    while True:
        text = path.read_text("utf-8")
        if not text or text.endswith("\n"):
            return text.splitlines()


def recording_path() -> Path:
    return state_dir() / "sim" / "recording.jsonl"


def posts(path: str = "order-cash") -> list[dict[str, Any]]:
    """The order requests that reached the simulator."""
    return [line for line in recording() if line["kind"] == "request" and path in line["path"]]


def desk_log() -> str:
    """What the desk of this test has logged."""
    return (desk_folder(Mode.SIM) / "desk.log").read_text("utf-8")


def secrets() -> list[str]:
    """What must never be shown: keys and account of the simulator of this test."""
    import yaml

    keys = yaml.safe_load((state_dir() / "sim" / "kis_devlp.yaml").read_text("utf-8"))
    return [str(keys[k]) for k in ("my_app", "my_sec", "my_acct_stock", "my_htsid")]


def ledger() -> dict[str, Any]:
    """The truth: cash, holdings and orders as the simulator of this test has them."""
    address = find_simulator(state_dir())
    assert address is not None
    with urllib.request.urlopen(f"{address.control}/ledger", timeout=10) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer


def hide_orders(api: str = "inquire_daily_ccld") -> None:
    """Let the simulator answer no reading of its list of orders until ``control("calm")``.

    KIS's list settles the fate of an order whose reply was lost, often in the same batch of events.
    Without the list the fate stays unknown.
    """
    control("fault", on="read", what="cut", tr_id=APIS[api].tr_live, times=1_000)


def control(verb: str, **said: object) -> dict[str, Any]:
    """Tell the simulator of this test something by its control address, as a person would with
    curl."""
    address = find_simulator(state_dir())
    assert address is not None
    body = json.dumps(said).encode()
    with urllib.request.urlopen(f"{address.control}/{verb}", data=body, timeout=10) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer
