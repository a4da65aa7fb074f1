"""A19: the curve of an agent's result in its row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kisnb.clock import SECOND
from kisnb.notebook.panels.desk_rows import agent_actions, agent_table
from kisnb.notebook.panels.result_curves import EVERY, POINTS, ResultCurves, levels
from kisnb.session.agents.agent_view import AgentView
from kisnb.trading.agents.agent_state import AgentState

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def agent(realised: int, unrealised: int | None = 0, **others: object) -> AgentView:
    facts = {
        "id": "dip", "name": "Dip", "code": "005930", "state": AgentState.RUNNING, "position": 0,
        "average": None, "last": None, "orders": 0, "fills": 0, "note": "",
    }  # fmt: skip
    return AgentView(**(facts | {"realised": realised, "unrealised": unrealised} | others))


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=60))
def test_a19_a_curve_keeps_the_order_of_its_values(values: list[int]) -> None:
    drawn = [LETTERS.index(letter) for letter in levels(values)]
    for before, after, low, high in zip(values, values[1:], drawn, drawn[1:], strict=False):
        assert (before > after) <= (low >= high)
        assert (before < after) <= (low <= high)
    if len(set(values)) > 1:
        assert (min(drawn), max(drawn)) == (0, len(LETTERS) - 1)


def test_a19_a_point_is_noted_each_quarter_of_a_minute_and_old_ones_go() -> None:
    now = [0]
    curves = ResultCurves(lambda: now[0])
    assert curves.of(agent(0)) == "h"
    now[0] += EVERY - SECOND
    assert curves.of(agent(5_000)) == "h"
    now[0] += SECOND
    assert curves.of(agent(5_000)) == ("0z", "up")
    now[0] += EVERY
    # While a held stock has no price, its result is not known.
    assert curves.of(agent(-9_000, None)) == ("0z", "up")
    for step in range(2 * POINTS):
        now[0] += EVERY
        text, tone = curves.of(agent(-step - 1))
    assert (len(text), tone, text[0], text[-1]) == (POINTS, "down", "z", "0")


def test_a19_the_buttons_of_an_agent_are_those_that_work_in_its_state() -> None:
    states = {state: agent_actions(agent(0, state=state)) for state in AgentState}
    assert states[AgentState.RUNNING] == "show pause stop flatten"
    assert states[AgentState.PAUSED] == "show start stop flatten"
    assert states[AgentState.STOPPED] == states[AgentState.FAILED] == "show start"
    assert states[AgentState.ELSEWHERE] == "show"
    assert states[AgentState.LOST] == "show restore"
    held = agent(0, state=AgentState.STOPPED, position=3)
    assert agent_actions(held) == "show start flatten"
    table = agent_table(lambda code: code, lambda: [held], lambda _: "0z")
    assert table.rows()["dip"][-2:] == ("0z", "show start flatten")
    assert [column.kind for column in table.panel_columns[-2:]] == ["spark", "action"]
