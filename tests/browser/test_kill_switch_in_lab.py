"""A07: the panel's HALT button in a real JupyterLab: where it stands, how it is pressed, and what
it answers."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser.live_lab import Lab, true_ledger, write_notebook
from tests.browser.notebook_page import NotebookPage, column

OPEN = "%load_ext kisnb", "%kis open sim --seed 7 --date 2026-11-20 --start 09:00:00"
REST = 'quote = await session.quote("005930")\norder = await session.buy("005930", 10, quote.lower)'
SPIN = "while True: pass"
NOTICES = """
for text in ("first", "second, as long as a sentence of the desk may be: " + "on and on, " * 20,
    "third"):
    session.troubles.append(f"{session.status.clock_text()} {text}")
session.hooks.changed()
"""
CLEAR = "session.troubles.clear()\nsession.hooks.changed()"
LIFT = "%kis halt off it is clear"
SECONDS = 60_000
SETTLED = 3_500
"""Milliseconds after which one press pulls; the button asks for 3,000."""
CONFIRMED = 4_500
"""Milliseconds after which a first press is forgotten; the button waits 4,000 for the second."""
NO_ANSWER = 5_500
"""Milliseconds after which an answer is late; the button waits 5,000 for it."""


def opened(lab: Lab, notebook: NotebookPage, *cells: str) -> Locator:
    """The panel of a notebook whose third cell shows it; ``cells`` come behind and have not run."""
    write_notebook(lab.folder / "halt.ipynb", [*OPEN, "%kis panel", *cells])
    notebook.open("halt.ipynb")
    for index in range(2):
        notebook.run_cell(index)
    return shown(notebook, 2)


def shown(notebook: NotebookPage, index: int) -> Locator:
    panel = notebook.run_cell(index).locator(".kisnb-desk")
    expect(panel.locator(".trading")).to_have_text("active: orders pass", timeout=SECONDS)
    return panel


def settle(notebook: NotebookPage) -> None:
    """Let the time pass in which HALT asks first.

    The clock of the page is what the button looks at.
    """
    # A click would bring the button into sight, and it asks first when it has just come there.
    notebook.page.locator("button.kill").first.scroll_into_view_if_needed()
    notebook.page.wait_for_timeout(300)
    notebook.pass_time(SETTLED)


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
            const [at, kill, table] = [root, root.querySelector("button.kill"),
                root.querySelector("section")]
                .map((node) => node.getBoundingClientRect());
            return [kill.x - at.x, kill.y - at.y, kill.width, kill.height, table.x - at.x,
                table.y - at.y];
        }"""
    )
    return [float(value) for value in measured]


def test_a07_the_panels_button_halts_the_desk_while_a_cell_spins(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook, REST, SPIN, "%kis buy 005930 1")
    notebook.run_cell(3)
    expect(column(panel, "orders", "state")).to_have_text("accepted")
    spin(notebook, panel, 4)
    panel.locator("button.kill").click()
    for step in (
        "block: no new order passes",
        "cancel: 1 orders",
        "state: the desk is halted",
        "open none",
        "notify:",
    ):
        expect(panel.locator(".notices")).to_contain_text(step, timeout=SECONDS)
    assert [
        o["leaves"] for o in true_ledger(lab)["orders"] if o["side"] == "buy" and not o["original"]
    ] == [0]
    assert notebook.prompt(4) == "[*]:"
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.outputs(4)).to_contain_text("KeyboardInterrupt", timeout=SECONDS)
    expect(column(panel, "orders", "state")).to_have_text("cancelled")
    expect(panel.locator(".trading")).to_contain_text(
        'halted because of "the panel\'s button": cancels alone pass'
    )
    expect(panel.locator("button.kill")).to_have_text("halted")
    expect(notebook.run_cell(5)).to_contain_text("The desk is halted: the panel's button")


def test_a07_a_lifted_halt_leaves_the_panel_at_once_and_after_a_reload(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook, "%kis halt --reduce fog", LIFT)
    notebook.run_cell(3)
    expect(panel.locator(".trading")).to_contain_text(
        "reducing because of 'fog': cancels, and sells up to"
    )
    expect(panel.locator(".notices")).to_contain_text("the desk is reducing")
    notebook.run_cell(4)
    expect(panel.locator(".trading")).to_have_text("active: orders pass")
    expect(panel.locator(".notices")).to_have_text("")
    notebook.save()
    notebook.reload("halt.ipynb")
    again = notebook.outputs(2).locator(".kisnb-desk")
    expect(again.locator(".trading")).to_have_text("active: orders pass", timeout=SECONDS)
    expect(again.locator(".notices")).to_have_text("")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1440, 900])
def test_a07_halt_and_the_tables_stay_where_they_are_whatever_notices_come(
    lab: Lab, notebook: NotebookPage, width: int, theme: str
) -> None:
    notebook.page.set_viewport_size({"width": width, "height": 900})
    panel = opened(lab, notebook, NOTICES, CLEAR, "%kis halt --reduce fog", LIFT)
    notebook.use_theme(theme)
    before = places(panel)
    notebook.run_cell(3)
    expect(panel.locator(".notice")).to_have_count(3)
    assert places(panel) == before
    notebook.run_cell(5)
    expect(panel.locator(".trading")).to_contain_text("reducing")
    assert places(panel) == before
    notebook.run_cell(6)
    notebook.run_cell(4)
    expect(panel.locator(".notice")).to_have_count(0)
    assert places(panel) == before


def click(panel: Locator) -> None:
    panel.locator("button.kill").click()


def press_enter(panel: Locator) -> None:
    panel.locator("button.kill").press("Enter")


def press_space(panel: Locator) -> None:
    panel.locator("button.kill").press(" ")


@pytest.mark.parametrize("press", [click, press_enter, press_space])
def test_a07_a_first_press_on_a_new_panel_asks_and_a_second_one_pulls(
    lab: Lab, notebook: NotebookPage, press: Callable[[Locator], None]
) -> None:
    panel = opened(lab, notebook)
    press(panel)
    expect(panel.locator("button.kill")).to_have_text("Halt? Press again")
    assert true_ledger(lab)["orders"] == []
    expect(panel.locator(".trading")).to_have_text("active: orders pass")
    press(panel)
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)


def test_a07_one_press_pulls_once_the_panel_has_stood_still(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook)
    settle(notebook)
    press_enter(panel)
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)


def test_a07_a_panel_that_comes_back_into_sight_asks_again(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook)
    settle(notebook)
    scroller = notebook.page.locator(".jp-WindowedPanel-outer").first
    panel.evaluate("e => { e.style.marginTop = '3000px' }")
    scroller.evaluate("e => { e.scrollTop = 0 }")
    expect(panel.locator("button.kill")).not_to_be_in_viewport()
    panel.evaluate("e => { e.style.marginTop = '0px' }")
    # The observer of this check is younger than the button's own, so that one has seen it before.
    expect(panel.locator("button.kill")).to_be_in_viewport()
    click(panel)
    expect(panel.locator("button.kill")).to_have_text("Halt? Press again")
    notebook.pass_time(CONFIRMED)
    expect(panel.locator("button.kill")).to_have_text("HALT")


def test_a07_a_key_that_is_held_down_is_one_press(lab: Lab, notebook: NotebookPage) -> None:
    panel = opened(lab, notebook)
    panel.locator("button.kill").focus()
    for _ in range(8):
        notebook.page.keyboard.down("Enter")
    notebook.page.keyboard.up("Enter")
    expect(panel.locator("button.kill")).to_have_text("Halt? Press again")
    expect(panel.locator(".trading")).to_have_text("active: orders pass")


def test_a07_keys_pressed_beside_halt_do_not_delete_the_cell(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook)
    click(panel)
    for _ in range(2):
        notebook.page.keyboard.press("d")
    expect(panel.locator("button.kill")).to_be_visible()
    name = str(panel.locator("button.kill").get_attribute("aria-label"))
    assert re.match(r"(HALT|Halt\? Press again)\. Kill switch: no new order passes", name)


def test_a07_a_halted_desk_tells_what_can_be_done_and_can_be_halted_once_more(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook, "%kis halt fog")
    notebook.run_cell(3)
    expect(panel.locator("button.kill")).to_have_text("halted")
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


def refused(status: int) -> Callable[[Route], None]:
    return lambda route: route.fulfill(status=status, body="{}", content_type="application/json")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
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
    ],
)
def test_a07_a_press_that_the_server_does_not_take_says_so_and_what_else_works(
    lab: Lab, notebook: NotebookPage, reply: Callable[[Route], None], told: str
) -> None:
    panel = opened(lab, notebook, SPIN)
    notebook.page.route("**/kisnb/halt", reply)
    spin(notebook, panel, 3)
    click(panel)
    expect(panel.locator(".notice.failed")).to_contain_text(told)
    expect(panel.locator(".notices")).to_contain_text("type kisnb halt in a terminal")
    expect(panel.locator(".notices")).to_contain_text(str(lab.home / "state" / "HALT"))
    expect(panel.locator("button.kill")).to_have_text("HALT")
    notebook.command("notebook:interrupt-kernel")
    # The kernel was asked too, and halts the desk when its cell lets it.
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)
    expect(panel.locator(".notices")).not_to_contain_text(told)


def test_a07_a_server_that_does_not_answer_is_said_so_and_its_late_answer_is_shown(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook, SPIN)
    spin(notebook, panel, 3)
    os.kill(lab.pid, signal.SIGSTOP)
    try:
        click(panel)
        expect(panel.locator("button.kill")).to_have_text("halting …")
        notebook.pass_time(NO_ANSWER)
        expect(panel.locator(".notice.failed")).to_contain_text(
            "has not answered for 5 s", timeout=SECONDS
        )
        expect(panel.locator(".notices")).to_contain_text("type kisnb halt in a terminal")
    finally:
        os.kill(lab.pid, signal.SIGCONT)
    expect(panel.locator(".notices")).to_contain_text(
        "notify: kill switch: the panel's button", timeout=SECONDS
    )
    expect(panel.locator(".notice.failed")).to_have_count(0)
    notebook.command("notebook:interrupt-kernel")
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)
    expect(panel.locator(".notice", has_text="notify: ")).to_have_count(1)


def test_a07_a_step_that_failed_is_shown_in_words(lab: Lab, notebook: NotebookPage) -> None:
    panel = opened(
        lab, notebook, 'await session.simulator.fault("read", "error", times=1000)', SPIN
    )
    notebook.run_cell(3)
    spin(notebook, panel, 4)
    click(panel)
    failed = panel.locator(".notice.failed")
    expect(failed).to_contain_text(
        "query: FAILED: KIS did not list the orders, after 3 queries", timeout=SECONDS
    )
    expect(panel.locator(".notices")).to_contain_text("state: the desk is halted")
    notebook.command("notebook:interrupt-kernel")
    expect(panel.locator(".trading")).to_contain_text("halted because of", timeout=SECONDS)
    expect(failed).to_have_count(1)


def test_a07_without_a_desk_the_press_says_what_is_wrong(lab: Lab, notebook: NotebookPage) -> None:
    panel = opened(lab, notebook, SPIN)
    spin(notebook, panel, 3)
    lab.kisnb("desk", "stop")
    click(panel)
    expect(panel.locator(".notice.failed")).to_contain_text(
        "The desk was not halted: No sim desk runs", timeout=SECONDS
    )
    notebook.command("notebook:interrupt-kernel")
    expect(panel.locator(".trading")).to_contain_text("not known since", timeout=SECONDS)


def test_a07_after_a_restart_of_the_kernel_the_halt_reads_as_before(
    lab: Lab, notebook: NotebookPage
) -> None:
    panel = opened(lab, notebook, "%kis halt fog", "session", "%kis agents")
    notebook.run_cell(3)
    expect(panel.locator(".trading")).to_contain_text("halted because of 'fog'")
    sentence, told = panel.locator(".trading").inner_text(), panel.locator(".notices").inner_text()
    notebook.restart_kernel()
    for index in (0, 1):
        notebook.run_cell(index)
    again = notebook.run_cell(2).locator(".kisnb-desk")
    expect(again.locator(".trading")).to_have_text(sentence, timeout=SECONDS)
    expect(again.locator(".notices")).to_have_text(told)
    for index in (4, 5):
        expect(notebook.run_cell(index)).to_contain_text(sentence)
    assert sentence in lab.kisnb("desk", "status").stdout


pytestmark = pytest.mark.browser
