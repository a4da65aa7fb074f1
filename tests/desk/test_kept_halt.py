"""A pull of the kill switch is never forgotten, overlooked or weakened on its way to the desk.

Row A07.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from kisnb.desk.record.journal import Journal, JournalLost
from kisnb.desk.record.kept_halt import KEPT, KeptHalt
from kisnb.desk.run.halt_file import CHECK_SECONDS, HaltFile, halt_file
from kisnb.desk.run.safety import Safety
from kisnb.desk.serve.client import DeskClient
from kisnb.errors import DeskError, OrderDenied
from kisnb.events import AccountOpened
from kisnb.session.session import Session
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Halt, Submit
from kisnb.trading.ports.queries import AdoptHolding, ArmDesk, LiftHalt
from tests.desk.served import Served, seen, served
from tests.trading.desk import CODE, NOON, intent, notice, price_of


class Full:
    """The disk of a served desk: as long as it is full, no row can be written."""

    def __init__(self, desk: Served) -> None:
        self._journal = desk.journal
        self._append = desk.journal.append

    def begin(self) -> None:
        def append(_rows: object) -> None:
            raise JournalLost("the journal cannot be written (disk full)", "make room on the disk")

        self._journal.append = append  # type: ignore[method-assign]


Work = Callable[[Served, Session, Safety], Awaitable[None]]


def run(folder: Path, work: Work) -> None:
    """A served desk that watches the HALT file, and one session."""

    async def at_a_desk() -> None:
        async with served(folder) as desk:
            file = HaltFile(desk.host, desk.server.publish)
            desk.server.queries.safety = Safety(desk.host, Mode.LIVE, None, file)
            file.start()
            session = await desk.session()
            try:
                await work(desk, session, desk.server.queries.safety)
            finally:
                await session.close()
                await file.close()

    asyncio.run(asyncio.wait_for(at_a_desk(), 60))


def send(session: Session, command: object) -> None:
    """As a session would that makes its own messages."""
    desk = session._parts.link.state.desk
    assert isinstance(desk, DeskClient)
    desk.send([command])  # type: ignore[list-item]


def next_life(folder: Path) -> str:
    """The trading state of the desk that goes on with this folder."""

    async def begin() -> str:
        async with served(folder) as desk:
            return desk.host.core.state.halting or desk.host.core.state.halt

    return asyncio.run(begin())


@pytest.mark.parametrize("flatten", [False, True])
def test_a07_a_halt_that_cannot_be_journaled_is_carried_out_by_the_next_life(
    tmp_path: Path, flatten: bool
):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        Full(desk).begin()
        steps = await session.halt("enough", flatten=flatten)
        assert [(s.step, s.done) for s in steps] == [
            ("block", True), ("cancel", False), ("state", True), ("notify", False),
        ]  # fmt: skip
        assert "Cancel at KIS what is open" in steps[1].text
        # A weaker pull takes nothing back.
        await session.halt("again", state="reducing")
        with pytest.raises(DeskError, match="Nothing was changed"):
            await session.resume("over")

    run(tmp_path, work)
    assert next_life(tmp_path) == "halted"
    assert not (tmp_path / KEPT).exists(), "it is carried out once"
    assert next_life(tmp_path) == "halted"
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        flattens = db.execute("SELECT count(*) FROM rows WHERE name = 'FlattenSet'").fetchone()[0]
    assert bool(flattens) is flatten


def test_a07_a_halt_that_comes_while_its_own_row_fails_is_kept_too(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        assert desk.host.broken is None
        Full(desk).begin()
        await session.halt("enough")
        assert desk.host.broken is not None

    run(tmp_path, work)
    assert next_life(tmp_path) == "halted"


def test_a07_on_a_disk_that_takes_names_alone_the_halt_and_its_flatten_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("kisnb.desk.record.kept_halt.write_private", full)
    assert KeptHalt(tmp_path).keep(Halt("enough", flatten=True))
    monkeypatch.undo()
    found = KeptHalt(tmp_path).read()
    assert found is not None
    assert (found.state, found.flatten) == ("halted", True)
    assert "could not be kept" in found.reason


def test_a07_a_halt_that_the_disk_cannot_keep_says_failed_and_is_written_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "gone"
    kept = KeptHalt(folder)
    assert not kept.keep(Halt("enough"))
    folder.mkdir()
    assert kept.write()
    found = KeptHalt(folder).read()
    assert found is not None
    assert found.reason == "enough"


def test_a07_arming_is_answered_from_what_was_written(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        desk.server.queries.safety = Safety(
            desk.host, Mode.LIVE, lambda _: True, HaltFile(desk.host, desk.server.publish)
        )
        Full(desk).begin()
        with pytest.raises(DeskError, match="Nothing was changed"):
            await session.arm("1234", 30, 5_000_000)

    run(tmp_path, work)


@pytest.mark.parametrize(
    "command", [LiftHalt("x"), ArmDesk("", 30, 10**9, 2**62), AdoptHolding("k", "mom", CODE)]
)
def test_a07_a_session_cannot_set_the_state_itself(tmp_path: Path, command: object):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        await session.halt("enough")
        send(session, command)
        await seen(lambda: bool(session.troubles and "could not read" in session.troubles[-1]))
        assert desk.host.core.state.halt == "halted"
        assert desk.host.core.state.armed is None

    run(tmp_path, work)


@pytest.mark.parametrize("forged", ["flatten:1:x:005930", "exit:1:x:005930"])
def test_invariant_6_a_session_cannot_forge_the_key_of_the_desks_own_order(
    tmp_path: Path, forged: str
):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        await session.halt("enough", flatten=False)
        send(session, Submit(intent(forged)))
        await seen(lambda: bool(session.troubles and "may not begin with" in session.troubles[-1]))
        assert desk.wire.submitted == []

    run(tmp_path, work)


# the HALT file


async def looked(times: int = 3) -> None:
    await asyncio.sleep(CHECK_SECONDS * times)


def test_a07_a_folder_that_cannot_be_read_for_a_while_does_not_end_the_watch(
    tmp_path: Path, monkeypatch
):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        real = Path.lstat

        def unreadable(path: Path) -> os.stat_result:
            if path == halt_file():
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(Path, "lstat", unreadable)
        await seen(lambda: any("cannot be checked" in text for text in session.troubles))
        await looked()
        assert sum("cannot be checked" in text for text in session.troubles) == 1
        with pytest.raises(Exception, match="cannot be checked"):
            await session.resume("x")
        monkeypatch.setattr(Path, "lstat", real)
        halt_file().write_text("later", "utf-8")
        await seen(lambda: desk.host.core.state.halt == "halted")

    run(tmp_path, work)


def test_a07_the_file_that_stands_counts_and_not_its_coming(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        halt_file().write_text("one", "utf-8")
        await seen(
            lambda: desk.host.core.state.halt == "halted" and not desk.host.core.state.halting
        )
        # Removed and written anew between two looks, and the halt lifted in between.
        halt_file().unlink()
        await session.resume("over")
        halt_file().write_text("two", "utf-8")
        await seen(lambda: desk.host.core.state.halt == "halted")
        assert desk.host.core.state.halt_reason == "two"
        with pytest.raises(OrderDenied):
            await session.buy(CODE, 1, price_of())

    run(tmp_path, work)


def test_a07_the_file_raises_a_desk_that_is_only_reducing(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        await session.halt("careful", state="reducing")
        halt_file().write_text("stop", "utf-8")
        await seen(
            lambda: (desk.host.core.state.halt, desk.host.core.state.halting) == ("halted", "")
        )
        await looked()
        assert [s.ends for s in session.status.halt_steps if s.step == "block"] == [
            "reducing",
            "halted",
        ], "once is enough"

    run(tmp_path, work)


def test_a07_a_link_that_leads_nowhere_is_a_halt_file_too(tmp_path: Path):
    async def work(desk: Served, _session: Session, _safety: Safety) -> None:
        halt_file().symlink_to("nowhere")
        await seen(lambda: desk.host.core.state.halt == "halted")

    run(tmp_path, work)


def test_a07_a_pull_over_a_standing_halt_leaves_it_and_says_so(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        await session.halt("stop")
        steps = await session.halt("x", state="reducing")
        assert "a pull never lowers the state" in steps[0].text
        assert desk.host.core.state.halt == "halted"
        assert "cancels, and sells up to the position" in await session.resume(
            "now", state="reducing"
        )
        assert desk.host.core.state.halt == "reducing"
        assert "new orders pass again" in await session.resume("and now all")

    run(tmp_path, work)


def test_a07_resume_ends_a_flatten_first_and_then_lifts(tmp_path: Path):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        journal.append([AccountOpened(NOON, 10**9, ((CODE, 3, 3 * price_of()),))])

    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        desk.host.submit(Halt("enough", flatten=True))
        await seen(lambda: bool(desk.wire.submitted))
        said = await session.resume("not needed")
        assert "the flatten is ended; the desk stays halted" in said
        assert desk.host.core.state.flatten_reason is None
        await seen(lambda: not desk.host.core.state.halting)
        assert "new orders pass again" in await session.resume("over")

    run(tmp_path, work)


def test_a_wake_that_fails_is_a_trouble(tmp_path: Path):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        def fails(*_: object) -> list[object]:
            raise RuntimeError("a bug")

        step, desk.host.core.step = desk.host.core.step, fails  # type: ignore[method-assign]
        desk.host._wake_at(desk.host.clock.now())
        await seen(lambda: any("wake at" in text and "a bug" in text for text in session.troubles))
        desk.host.core.step = step  # type: ignore[method-assign]

    run(tmp_path, work)


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path):
    KeptHalt(tmp_path).keep(Halt("enough"))
    assert stat.S_IMODE((tmp_path / KEPT).stat().st_mode) == 0o600


def test_an_event_of_kis_that_cannot_be_handled_is_a_trouble_and_keeps_no_other_back(
    tmp_path: Path,
):
    async def work(desk: Served, session: Session, _safety: Safety) -> None:
        order = await session.buy(CODE, 3, price_of())
        number = order.number
        assert number is not None
        works = desk.host.core.step

        def fails_at_first(now: int, said: object) -> list[object]:
            if getattr(said, "qty", 0) == 1:
                raise RuntimeError("a bug")
            return works(now, said)  # type: ignore[arg-type, return-value]

        desk.host.core.step = fails_at_first  # type: ignore[assignment, method-assign]
        desk.host.receive([notice("filled", number, 1), notice("filled", number, 2)])
        await seen(lambda: order.filled == 2)
        assert any("Notice of KIS could not be handled" in text for text in session.troubles)

    run(tmp_path, work)
