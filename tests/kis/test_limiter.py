"""K03: never more calls than the limit in any second, orders and cancels before reads.

On a stepped clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kisnb.clock import SECOND, Activity, Ns, SimulatedClock
from kisnb.kis.http.limiter import PAUSE, RECOVERS, Lane, LearnedRate, Limiter, SlidingWindow


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
        limiter = Limiter(limit, clock, Activity())

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
        limiter = Limiter(1, clock, Activity())

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
        limiter = Limiter(1, clock, activity)
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


# the rate that the host's refusals show


def test_k17_a_burst_of_refusals_halves_the_rate_once() -> None:
    rate = LearnedRate(15)
    assert [rate.on_refused(0, 1 + n) for n in range(12)] == [True] + [False] * 11
    assert (rate.limit(SECOND), rate.refusals) == (7, 12)
    assert rate.on_refused(2 * SECOND, 2 * SECOND)
    assert rate.limit(2 * SECOND) == 3
    assert rate.on_refused(3 * SECOND, 3 * SECOND)
    assert rate.limit(3 * SECOND) == 2


def test_k17_the_rate_recovers_step_by_step_and_never_passes_its_first_value() -> None:
    rate = LearnedRate(4)
    rate.on_refused(0, 0)
    limits = [rate.limit(n * RECOVERS) for n in range(4)]
    assert limits == [3, 4, 4, 4]
    assert rate.on_refused(4 * RECOVERS, 4 * RECOVERS)
    assert rate.limit(4 * RECOVERS) == 3


def test_k17_the_rate_never_falls_below_one_call_a_second() -> None:
    rate = LearnedRate(1)
    assert not rate.on_refused(0, 0)
    assert rate.limit(0) == 1
    assert "Calls a second: 1 now, 1 at most" in rate.text(0)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 18), st.integers(1, 18))
def test_k17_fifty_concurrent_callers_all_pass_a_host_of_any_rate(most: int, takes: int) -> None:
    """Each call that the host refuses comes back, and the host takes ``takes`` calls a second."""

    async def main() -> tuple[int, int]:
        clock, host = SimulatedClock(), SlidingWindow(takes)
        limiter = Limiter(most, clock, Activity())
        accepted: list[Ns] = []

        async def call() -> None:
            while True:
                left = await limiter.enter(Lane.READ)
                if host.earliest(left) <= left:
                    host.record_call(left)
                    accepted.append(left)
                    return
                limiter.on_refused(left)

        await run_out(clock, [asyncio.create_task(call()) for _ in range(50)])
        assert most_in_any_window(accepted, SECOND) <= takes
        return len(accepted), limiter.rate.refusals

    accepted, refused = asyncio.run(main())
    assert accepted == 50
    assert refused == 0 if most <= takes else refused <= 3 * most + 60


def test_k17_nothing_goes_out_for_an_eighth_of_a_second_after_a_refusal() -> None:
    async def main() -> Ns:
        clock = SimulatedClock()
        limiter = Limiter(18, clock, Activity())
        limiter.on_refused(await limiter.enter(Lane.ORDER))
        task = asyncio.create_task(limiter.enter(Lane.CANCEL))
        await run_out(clock, [task])  # type: ignore[list-item]
        return await task

    assert asyncio.run(main()) == PAUSE
