"""A07: the panel's HALT button in a real JupyterLab: where it stands, how it is pressed, and what
it answers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.live_lab import Lab, true_ledger
from tests.browser.notebook_page import NotebookPage
from tests.browser.panel_page import button, column, open_notebook, panel_of

REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
SPIN = "while True: pass"
NOTICES = """
for text in ("first", "second, as long as a sentence of the desk may be: " + "on and on, " * 20,
    "third"):
    session.troubles.append(f"{session.status.clock_text()} {text}")
session.hooks.changed()
"""
CLEAR = "session.troubles.clear()\nsession.hooks.changed()"
REDUCE = "%kis halt --reduce fog"
LIFT = "%kis halt off it is clear"
PANEL = 2
"""The cell of the panel."""
ACTIVE = "active: orders pass"
SECONDS = 60_000
SETTLED = 3_500
"""Milliseconds after which one press pulls; the button asks for 3,000."""
CONFIRMED = 4_500
"""Milliseconds after which a first press is forgotten; the button waits 4,000 for the second."""
NO_ANSWER = 5_500
"""Milliseconds after which an answer is late; the button waits 5,000 for it."""
SILENT = 4_500
"""Milliseconds after which the page asks whether its kernel is gone; it waits 4,000."""


def shown(notebook: NotebookPage) -> Locator:
    """A new view of the panel."""
    notebook.run_cell(PANEL)
    panel = panel_of(notebook, PANEL)
    expect(panel.locator(".trading")).to_have_text(ACTIVE, timeout=SECONDS)
    return panel


def settle(notebook: NotebookPage) -> None:
    """Let the time pass in which HALT asks first.

    The clock of the page is what the button looks at.
    """
    # A click would bring the button into sight, and it asks first when it has just come there.
    notebook.page.locator("button.kill").first.scroll_into_view_if_needed()
    notebook.page.wait_for_timeout(300)
    notebook.pass_time(SETTLED)


def halted(panel: Locator) -> None:
    """Wait until the kill switch has run to its end."""
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)
    expect(panel.locator(".notices")).to_contain_text("notify: ", timeout=SECONDS)


def lift(notebook: NotebookPage, panel: Locator, index: int) -> None:
    """Lift the halt in the cell that does so."""
    notebook.run_cell(index)
    expect(panel.locator(".trading")).to_have_text(ACTIVE, timeout=SECONDS)


def lift_by_mouse(panel: Locator) -> None:
    """Lift the halt in the panel's form, which needs a reason."""
    panel.locator("button.lift").click()
    form = panel.locator("form.lift")
    go = form.get_by_role("button", name="lift: all orders pass again")
    go.click()
    expect(form.locator("input")).to_be_focused()
    expect(panel.locator(".trading")).to_contain_text("halted because of")
    form.get_by_role("button", name="pressed by mistake").click()
    expect(form.locator("input")).to_have_value("pressed by mistake")
    go.click()
    expect(panel.locator(".trading")).to_have_text(ACTIVE, timeout=SECONDS)
    expect(form).to_have_count(0)
    expect(panel.locator("button.lift")).to_be_hidden()


def spin(notebook: NotebookPage, panel: Locator, index: int) -> None:
    """Keep the kernel from answering, until the panel says so and HALT needs one press."""
    notebook.start_cell(index)
    expect(panel.locator(".notice.now").first).to_contain_text(SPIN, timeout=SECONDS)
    settle(notebook)


def places(panel: Locator) -> list[float]:
    """Where HALT and the first table stand inside the panel, and how large HALT is."""
    # A panel that is not drawn yet has no places: all of them are 0.
    expect(panel.locator("button.kill")).to_be_visible()
    expect(panel.locator("section").first).to_be_visible()
    measured = panel.evaluate(
        """root => {
            // HALT leaves its place in the panel to stay in sight, so the whole head is.
            const outer = root.closest(".jp-WindowedPanel-outer");
            outer.scrollTop += root.getBoundingClientRect().top
                - outer.getBoundingClientRect().top - 20;
            const [at, kill, table] = [root, root.querySelector("button.kill"),
                root.querySelector("section")]
                .map((node) => node.getBoundingClientRect());
            return [kill.x - at.x, kill.y - at.y, kill.width, kill.height, table.x - at.x,
                table.y - at.y];
        }"""
    )
    return [float(value) for value in measured]


SCROLL = """
(root, {scroller, part}) => {
    const outer = root.closest(scroller);
    const [box, own] = [outer, root].map((node) => node.getBoundingClientRect());
    outer.scrollTop += own.top - box.top + part * own.height;
    const kill = root.querySelector("button.kill").getBoundingClientRect();
    return [kill.top - outer.getBoundingClientRect().top, kill.height,
        document.elementFromPoint(kill.x + 9, kill.y + 9)?.className];
}
"""
"""Scrolls until this part of the panel has left the top edge; says where HALT is below that edge,
and what a click at its place would reach."""


def stays_in_sight(panel: Locator, scroller: str) -> None:
    """HALT has the same place below the top edge of what scrolls, wherever the panel is."""
    # The reader stands a little above the panel, in it, and near its end.
    for part in (0.01, 0.3, 0.6, 0.9):
        top, height, hit = panel.evaluate(SCROLL, {"scroller": scroller, "part": part})
        assert (top, height) == (pytest.approx(4, abs=1), 44), (scroller, part)
        assert "kill" in str(hit), (scroller, part)
    panel.evaluate(SCROLL, {"scroller": scroller, "part": 0})


def click(panel: Locator) -> None:
    panel.locator("button.kill").click()


def press_enter(panel: Locator) -> None:
    panel.locator("button.kill").press("Enter")


def press_space(panel: Locator) -> None:
    panel.locator("button.kill").press(" ")


def test_a07_halt_stays_in_sight_and_asks_a_hasty_hand_once(
    lab: Lab, notebook: NotebookPage
) -> None:
    notices, clear, reduce, lifts, fog = range(PANEL + 1, PANEL + 6)
    cells = ("%kis panel", NOTICES, CLEAR, REDUCE, LIFT, "%kis halt fog")
    open_notebook(lab, notebook, *cells, run=0)

    # A first press on a new panel asks, and a second one pulls.
    for press in (click, press_enter, press_space):
        panel = shown(notebook)
        kill = panel.locator("button.kill")
        press(panel)
        expect(kill).to_have_text("Halt? Press again")
        assert true_ledger(lab)["orders"] == []
        expect(panel.locator(".trading")).to_have_text(ACTIVE)
        press(panel)
        halted(panel)
        lift(notebook, panel, lifts)

    # A key that is held down is one press.
    panel = shown(notebook)
    kill.focus()
    for _ in range(8):
        notebook.page.keyboard.down("Enter")
    notebook.page.keyboard.up("Enter")
    expect(kill).to_have_text("Halt? Press again")
    expect(panel.locator(".trading")).to_have_text(ACTIVE)

    # Keys beside HALT do not delete the cell.
    panel = shown(notebook)
    click(panel)
    for _ in range(2):
        notebook.page.keyboard.press("d")
    expect(kill).to_be_visible()
    name = str(kill.get_attribute("aria-label"))
    assert re.match(r"(HALT|Halt\? Press again)\. Kill switch: no new order passes", name)

    # A panel that comes back into sight asks again, and forgets the press after a while.
    panel = shown(notebook)
    settle(notebook)
    scroller = notebook.page.locator(".jp-WindowedPanel-outer").first
    panel.evaluate("e => { e.style.marginTop = '3000px' }")
    scroller.evaluate("e => { e.scrollTop = 0 }")
    expect(kill).not_to_be_in_viewport()
    panel.evaluate("e => { e.style.marginTop = '0px' }")
    # The observer of this check is younger than the button's own, so that one has seen it before.
    expect(kill).to_be_in_viewport()
    click(panel)
    expect(kill).to_have_text("Halt? Press again")
    notebook.pass_time(CONFIRMED)
    expect(kill).to_have_text("HALT")

    # One press pulls once the panel has stood still.
    panel = shown(notebook)
    settle(notebook)
    press_enter(panel)
    halted(panel)
    lift_by_mouse(panel)

    # A halted desk tells what can be done, and can be halted once more.
    notebook.run_cell(fog)
    expect(kill).to_have_text("halted")
    settle(notebook)
    # After the jump of the page's clock the kernel counts as silent until its next sign of life.
    # HALT pulls at once for a silent kernel, because the state that it shows may be old.
    notebook.page.wait_for_timeout(1_500)
    click(panel)
    expect(panel.locator(".notice").first).to_contain_text(
        "The desk is halted already. %kis halt off REASON"
    )
    expect(panel.locator(".trading")).to_contain_text("halted because of 'fog'")
    click(panel)
    expect(panel.locator(".trading")).to_contain_text(
        'halted because of "the panel\'s button"', timeout=SECONDS
    )
    halted(panel)
    lift(notebook, panel, lifts)

    # HALT and the tables stay where they are, whatever notices come and however far one scrolls.
    for width, theme in (
        (1440, "JupyterLab Light"), (1440, "JupyterLab Dark"), (900, "JupyterLab Light"),
        (900, "JupyterLab Dark"),
    ):  # fmt: skip
        notebook.page.set_viewport_size({"width": width, "height": 900})
        notebook.use_theme(theme)
        before = places(panel)
        notebook.run_cell(notices)
        expect(panel.locator(".notice")).to_have_count(3)
        assert places(panel) == before
        notebook.run_cell(reduce)
        expect(panel.locator(".trading")).to_contain_text("reducing")
        assert places(panel) == before
        lift(notebook, panel, lifts)
        notebook.run_cell(clear)
        expect(panel.locator(".notice")).to_have_count(0)
        assert places(panel) == before
        stays_in_sight(panel, ".jp-WindowedPanel-outer")
        notebook.cell(PANEL).locator(".jp-InputPrompt").click()
        notebook.command("notebook:enable-output-scrolling")
        expect(notebook.cell(PANEL)).to_have_class(re.compile("jp-mod-outputsScrolled"))
        stays_in_sight(panel, ".jp-Cell-outputArea")
        notebook.command("notebook:disable-output-scrolling")
        expect(notebook.cell(PANEL)).not_to_have_class(re.compile("jp-mod-outputsScrolled"))
    notebook.use_theme("JupyterLab Light")


def refused(status: int) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body="{}", content_type="application/json")


ANSWERS: tuple[tuple[Callable[[Route], None], str], ...] = (
    (
        lambda route: route.abort("connectionrefused"),
        "JupyterLab's server could not be reached",
    ),
    (refused(404), "This JupyterLab runs without kisnb's route"),
    (refused(403), "JupyterLab's server refused it (status 403)"),
    (
        lambda route: route.fulfill(body="<form>Sign in</form>"),
        "JupyterLab's server refused it (status 200)",
    ),
)
"""What the server may answer in place of a halt, and what the panel says then."""


def test_a07_halt_works_while_a_cell_spins_and_says_what_failed(
    lab: Lab, notebook: NotebookPage
) -> None:
    rest, spins, buys, lifts, fault = range(PANEL + 1, PANEL + 6)
    broken = 'await session.simulator.fault("read", "error", times=1000)'
    cells = ("%kis panel", REST, SPIN, "%kis buy 005930 1", LIFT, broken)
    open_notebook(lab, notebook, *cells, run=0)
    panel = shown(notebook)
    notices, failed = panel.locator(".notices"), panel.locator(".notice.failed")
    notebook.expected_errors += ["Failed to load resource"]

    # A press that the server does not take says so, and what else works.
    for reply, told in ANSWERS:
        notebook.page.route("**/kisnb/halt", reply)
        spin(notebook, panel, spins)
        click(panel)
        expect(failed).to_contain_text(told)
        expect(notices).to_contain_text("type kisnb halt in a terminal")
        expect(notices).to_contain_text(str(lab.home / "state" / "HALT"))
        expect(panel.locator("button.kill")).to_have_text("HALT")
        notebook.command("notebook:interrupt-kernel")
        # The kernel was asked too, and halts the desk when its cell lets it.
        halted(panel)
        expect(notices).not_to_contain_text(told)
        notebook.page.unroute("**/kisnb/halt")
        lift(notebook, panel, lifts)

    # A server that does not answer is said so, and its late answer is shown.
    spin(notebook, panel, spins)
    os.kill(lab.pid, signal.SIGSTOP)
    try:
        click(panel)
        expect(panel.locator("button.kill")).to_have_text("halting …")
        notebook.pass_time(NO_ANSWER)
        expect(failed).to_contain_text("has not answered for 5 s", timeout=SECONDS)
        expect(notices).to_contain_text("type kisnb halt in a terminal")
    finally:
        os.kill(lab.pid, signal.SIGCONT)
    expect(notices).to_contain_text("notify: kill switch: the panel's button", timeout=SECONDS)
    expect(failed).to_have_count(0)
    notebook.command("notebook:interrupt-kernel")
    halted(panel)
    expect(panel.locator(".notice", has_text="notify: ")).to_have_count(1)
    lift(notebook, panel, lifts)

    # The server halts the desk while the cell spins.
    notebook.run_cell(rest)
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    spin(notebook, panel, spins)
    click(panel)
    for step in (
        "block: no new order passes",
        "cancel: 1 orders",
        "state: the desk is halted",
        "open none",
        "notify:",
    ):
        expect(notices).to_contain_text(step, timeout=SECONDS)
    assert [
        o["leaves"] for o in true_ledger(lab)["orders"] if o["side"] == "buy" and not o["original"]
    ] == [0]
    assert notebook.prompt(spins) == "[*]:"
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.outputs(spins)).to_contain_text("KeyboardInterrupt", timeout=SECONDS)
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    expect(panel.locator(".trading")).to_contain_text(
        'halted because of "the panel\'s button": cancels alone pass'
    )
    expect(panel.locator("button.kill")).to_have_text("halted")
    expect(notebook.run_cell(buys)).to_contain_text("The desk is halted: the panel's button")
    lift(notebook, panel, lifts)

    # A step that failed is shown in words.
    notebook.run_cell(fault)
    spin(notebook, panel, spins)
    click(panel)
    expect(failed).to_contain_text(
        "query: FAILED: KIS did not list the orders, after 3 queries", timeout=SECONDS
    )
    expect(notices).to_contain_text("state: the desk is halted")
    notebook.command("notebook:interrupt-kernel")
    halted(panel)
    expect(failed).to_have_count(1)

    # Without a desk the press says what is wrong.
    spin(notebook, panel, spins)
    lab.kisnb("desk", "stop")
    click(panel)
    expect(failed.first).to_contain_text(
        "The desk was not halted: No sim desk runs", timeout=SECONDS
    )
    notebook.command("notebook:interrupt-kernel")
    expect(panel.locator(".trading")).to_contain_text("not known since", timeout=SECONDS)


def offers_halt_alone(panel: Locator) -> None:
    """Nothing that needs the kernel can be clicked or reached by a key; HALT can."""
    for part in ("ticket", "depth"):
        assert panel.locator(f"section.{part}").evaluate("e => e.inert")
    for name in ("button[data-action]", ".ticket button", ".ticket input", ".chart .title button"):
        assert panel.locator(name).count() > 0, name
        assert panel.locator(name).evaluate_all(
            "all => all.every((e) => getComputedStyle(e).visibility === 'hidden')"
        ), name
    expect(panel.locator("button.kill")).to_be_visible()


def test_a07_a_halt_outlives_page_and_kernel_and_the_panel_of_a_dead_kernel_can_only_halt(
    lab: Lab, notebook: NotebookPage
) -> None:
    reduce, lifts, fog, values, agents, pid, rest, more, close = range(PANEL + 1, PANEL + 10)
    cells = (
        "%kis panel", REDUCE, LIFT, "%kis halt fog", "session", "%kis agents",
        "import os; print(os.getpid())", REST, REST.replace("10", "9"), "%kis close",
    )  # fmt: skip
    open_notebook(lab, notebook, *cells, run=0)
    panel = shown(notebook)
    trading, notices = panel.locator(".trading"), panel.locator(".notices")
    # The page loses its kernel three times.
    notebook.expected_errors += [".*"]

    # A lifted halt leaves the panel at once, and after a reload.
    notebook.run_cell(reduce)
    expect(trading).to_contain_text("reducing because of 'fog': cancels, and sells up to")
    expect(notices).to_contain_text("the desk is reducing")
    lift(notebook, panel, lifts)
    expect(notices).to_have_text("")
    notebook.save()
    notebook.reload("desk.ipynb")
    expect(trading).to_have_text(ACTIVE, timeout=SECONDS)
    expect(notices).to_have_text("")

    # The panel of a kernel that was restarted says so. The halt reads as before in the next one.
    notebook.run_cell(rest)
    notebook.run_cell(fog)
    expect(trading).to_contain_text("halted because of 'fog'")
    sentence, told = trading.inner_text(), notices.inner_text()
    notebook.restart_kernel()
    expect(panel.locator(".notice.now").first).to_contain_text("The kernel of this panel has ended")
    expect(panel.locator(".link")).to_have_text("kernel ended")
    offers_halt_alone(panel)
    for index in (0, 1, PANEL):
        notebook.run_cell(index)
    expect(trading).to_have_text(sentence, timeout=SECONDS)
    expect(notices).to_have_text(told)
    for index in (values, agents):
        expect(notebook.run_cell(index)).to_contain_text(sentence)
    assert sentence in lab.kisnb("desk", "status").stdout
    lift(notebook, panel, lifts)

    # A kernel that died, too. HALT goes by way of the server.
    notebook.run_cell(pid)
    os.kill(notebook.kernel_pid(pid), signal.SIGKILL)
    notebook.dismiss_dialog("Kernel Restarting")
    notebook.wait_idle()
    notebook.pass_time(SILENT)
    expect(panel.locator(".notice.now").first).to_contain_text("The kernel of this panel has ended")
    offers_halt_alone(panel)
    settle(notebook)
    click(panel)
    expect(notices).to_contain_text("state: the desk is halted", timeout=SECONDS)
    expect(notices).to_contain_text("The kernel of this panel has ended")
    assert "halted because of" in lab.kisnb("desk", "status").stdout
    for index in (0, 1, PANEL):
        notebook.run_cell(index)
    halted(panel)
    lift(notebook, panel, lifts)

    # A session that was closed is not offered either.
    notebook.run_cell(more)
    expect(button(panel, "orders", "cancel")).to_have_count(1)
    notebook.run_cell(close)
    expect(panel.locator(".notice.now").first).to_contain_text("This session is closed")
    offers_halt_alone(panel)


pytestmark = pytest.mark.browser
