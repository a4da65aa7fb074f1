"""K03: never more calls than the limit in any second, orders and cancels before reads.

On a stepped clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import SECOND, Activity, Ns, SimulatedClock
from kisnb.kis.http.limiter import Lane, Limiter, SlidingWindow


def most_in_any_window(times: Sequence[Ns], span: Ns) -> int:
    return max(sum(1 for t in times if start <= t < start + span) for start in times)


@given(st.integers(1, 20), st.lists(st.integers(0, SECOND // 2), min_size=1, max_size=80))
def test_k03_no_second_holds_more_than_the_limit(limit: int, gaps: list[Ns]) -> None:
    window, now, taken = SlidingWindow(limit), 0, []
    for gap in gaps:
        now = window.earliest(now + gap)
        window.record_call(now)
        taken.append(now)
    assert most_in_any_window(taken, SECOND) <= limit


def test_a_free_window_lets_a_call_leave_at_once() -> None:
    window = SlidingWindow(2)
    assert window.earliest(5) == 5
    window.record_call(5)
    window.record_call(7)
    assert window.earliest(8) == 5 + SECOND


async def run_out(clock: SimulatedClock, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Step the clock from wake to wake until all are through."""
    while not all(task.done() for task in tasks):
        for _ in range(5):
            await asyncio.sleep(0)
        wake = clock.next_wake()
        if wake is not None:
            clock.set(wake)


@settings(max_examples=30)
@given(
    st.integers(1, 18),
    st.lists(st.tuples(st.sampled_from(Lane), st.integers(0, SECOND)), min_size=1, max_size=50),
)
def test_k03_concurrent_callers_stay_under_the_limit(
    limit: int, callers: list[tuple[Lane, Ns]]
) -> None:
    async def main() -> list[Ns]:
        clock, taken = SimulatedClock(), []
        limiter = Limiter(SlidingWindow(limit), clock, Activity())

        async def call(lane: Lane, at: Ns) -> None:
            await clock.sleep_until(at)
            await limiter.enter(lane)
            taken.append(clock.now())

        await run_out(clock, [asyncio.create_task(call(*caller)) for caller in callers])
        return taken

    taken = asyncio.run(main())
    assert len(taken) == len(callers)
    assert most_in_any_window(taken, SECOND) <= limit


def test_k03_cancels_and_orders_overtake_queued_reads() -> None:
    async def main() -> list[str]:
        clock, order = SimulatedClock(), []
        limiter = Limiter(SlidingWindow(1), clock, Activity())

        async def call(name: str, lane: Lane) -> None:
            await limiter.enter(lane)
            order.append(name)

        tasks = [asyncio.create_task(call(f"read {i}", Lane.READ)) for i in range(3)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(call("order", Lane.ORDER)))
        tasks.append(asyncio.create_task(call("cancel", Lane.CANCEL)))
        await run_out(clock, tasks)
        return order

    assert asyncio.run(main()) == ["read 0", "cancel", "order", "read 1", "read 2"]


def test_a_call_that_waits_counts_as_rest_and_one_that_gives_up_blocks_no_other() -> None:
    async def main() -> None:
        clock, activity = SimulatedClock(), Activity()
        limiter = Limiter(SlidingWindow(1), clock, activity)
        await limiter.enter(Lane.READ)
        first = asyncio.create_task(limiter.enter(Lane.READ))
        second = asyncio.create_task(limiter.enter(Lane.READ))
        await asyncio.sleep(0)
        assert activity.at_rest == 2
        first.cancel()
        await run_out(clock, [second])
        assert activity.at_rest == 0
        assert clock.now() == SECOND

    asyncio.run(main())
