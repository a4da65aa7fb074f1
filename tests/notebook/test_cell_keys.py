"""O11: the key of an order that is typed into a cell."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kisnb.errors import BadInput
from kisnb.notebook.cell_keys import CellKeys
from kisnb.terms import Mode

MODE = {"mode": Mode.SIM, "scope": "sim run 1, 2026-11-20"}


class Orders:
    """Keys that a desk was given, in order."""

    def __init__(self, keys: CellKeys) -> None:
        self.cells = keys
        self.sent: list[str] = []

    def mint(self, call: str, again: bool = False) -> str | None:
        key = self.cells.mint(**MODE, call=call, again=again, taken=self.sent.__contains__)
        if key and key not in self.sent:
            self.sent.append(key)
        return key

    def buy(self, *_values: object, again: bool = False) -> str | None:
        return self.mint(self.cells.call_in_cell(), again)


@pytest.fixture
def kernel(bare_ip):
    """A shell with `orders`, `buy`; `kernel(text, cell_id)` runs a cell and gives the keys that it sent anew."""

    def start():
        keys = CellKeys(bare_ip)
        bare_ip.events.register("pre_run_cell", keys.pre_run_cell)
        bare_ip.events.register("post_run_cell", keys.post_run_cell)
        started.append(keys)
        orders.cells = keys

    def run(text: str, cell_id: str | None = "a") -> list[str]:
        before = len(orders.sent)
        bare_ip.run_cell(text, store_history=True, cell_id=cell_id).raise_error()
        return orders.sent[before:]

    def stop():
        keys = started.pop()
        bare_ip.events.unregister("pre_run_cell", keys.pre_run_cell)
        bare_ip.events.unregister("post_run_cell", keys.post_run_cell)

    def restart():
        stop()
        start()

    started: list[CellKeys] = []
    orders = Orders(CellKeys(bare_ip))
    start()
    bare_ip.push({"buy": orders.buy, "mint": orders.mint, "qty": 1})
    run.restart, run.orders = restart, orders
    yield run
    stop()


def test_o11_running_the_cell_again_is_the_same_order(kernel):
    assert len(kernel("buy('005930', 1)")) == 1
    assert kernel("buy('005930', 1)") == []


def test_o11_also_after_the_kernel_restarted(kernel):
    kernel("buy('005930', 1)")
    kernel.restart()
    assert kernel("buy('005930', 1)") == []


def test_o11_an_edited_cell_is_a_new_intent(kernel):
    kernel("buy('005930', 1)")
    assert len(kernel("buy('005930', 1) ")) == 1


def test_o11_the_same_text_in_another_cell_is_another_order(kernel):
    kernel("buy('005930', 1)", "a")
    assert len(kernel("buy('005930', 1)", "b")) == 1


def test_o11_two_equal_lines_are_two_orders_and_loops_count(kernel):
    cell = "buy('005930', 1)\nbuy('005930', 1)\nfor _ in range(3):\n    buy('005930', 1)\n"
    assert len(kernel(cell)) == 5
    assert kernel(cell) == []


def test_o11_other_values_keep_the_key(kernel):
    """The desk then refuses, with both shown."""
    cell = "buy('005930', qty)"
    assert len(kernel(cell)) == 1
    kernel("qty = 2", "b")
    assert kernel(cell) == []


def test_o11_one_more_call_above_moves_no_other_key(kernel):
    """Calls are told apart by their own text, so an `if` that was false at first does not shift what stands below."""
    cell = "if qty > 1:\n    buy('000660', 1)\nbuy('005930', 1)"
    first = kernel(cell)
    kernel("qty = 2", "b")
    assert len(kernel(cell)) == 1
    assert len(first) == 1


def test_o11_again_is_a_new_order_each_time(kernel):
    cell = "buy('005930', 1, again=True)"
    keys = kernel(cell) + kernel(cell) + kernel(cell)
    assert len(set(keys)) == 3
    kernel.restart()
    assert len(kernel(cell)) == 1


def test_o11_without_cell_ids_the_text_and_its_run_count(kernel):
    """As in nbclient: Run All again in this kernel buys again, a restarted kernel finds its orders."""
    assert len(kernel("buy('005930', 1)", None)) == 1
    assert len(kernel("buy('005930', 1)", None)) == 1
    kernel.restart()
    assert kernel("buy('005930', 1)", None) == []
    assert kernel("buy('005930', 1)", None) == []
    assert len(kernel("buy('005930', 1)", None)) == 1


def test_o11_helpers_of_this_cell_and_of_others(kernel):
    kernel("def go():\n    return buy('005930', 1)", "helper")
    assert len(kernel("go()\ngo()")) == 2
    assert kernel("go()\ngo()") == []
    own = "def own():\n    return buy('000660', 1)\nown(); own()"
    assert len(kernel(own)) == 2
    assert kernel(own) == []


def test_o11_a_body_under_capture_belongs_to_the_cell_that_was_typed(kernel):
    cell = "%%capture\nbuy('005930', 1)\nbuy('005930', 1)\nmint('buy {x}')"
    assert len(kernel(cell)) == 3
    assert kernel(cell) == []
    nested = "get_ipython().run_cell('')\nget_ipython().run_cell('buy(1)')\nbuy('005930', 1)"
    assert len(kernel(nested)) == 2
    assert kernel(nested) == []


def test_o11_tasks_keep_the_cell_that_started_them(kernel):
    cell = (
        "import asyncio\nasync def later():\n    await asyncio.sleep(0)\n    return buy('005930', 1)\n"
        "await asyncio.gather(asyncio.create_task(later()), later(), later())"
    )
    assert len(kernel(cell)) == 3
    assert kernel(cell) == []


def test_o11_awaited_calls_in_korean_text(kernel):
    kernel("async def 사기(종목):\n    return buy(종목)", "helper")
    cell = '이름 = "삼성전자"; 주문 = await 사기("삼성전자"); 둘 = await 사기(\n  "하이닉스"\n)'
    assert len(kernel(cell)) == 2
    assert kernel(cell) == []


def test_outside_cells_there_is_no_key(kernel):
    assert kernel.orders.mint("buy 005930 1") is None


def test_o11_live_without_a_cell_id_is_refused(bare_ip):
    keys = CellKeys(bare_ip)
    with pytest.raises(BadInput, match="--key"):
        keys.mint(Mode.LIVE, "account 1, 2026-11-20", "buy 005930 1", again=False, taken=lambda key: False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.sampled_from(["buy('005930', 1)", "buy('005930', 2)", "mint('buy {x} 1')"]), min_size=1, max_size=6
    ),
    runs=st.lists(st.booleans(), min_size=1, max_size=4),
)
def test_o11_however_often_and_over_restarts_each_call_is_one_order(kernel, calls, runs):
    kernel.orders.sent.clear()
    cell = "\n".join(calls)
    assert len(kernel(cell)) == len(calls)
    for restart in runs:
        if restart:
            kernel.restart()
        assert kernel(cell) == []
