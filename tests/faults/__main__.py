"""``python -m tests.faults N SEED``: N schedules from SEED on.

With N = 1 the whole story of one, shrunk if it fails.

The last line is a summary; the exit code is 0 only if every invariant held in every run.
"""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from .report import Outcome, outcomes, play, smallest, story
from .schedule import make

MOST_SHOWN = 20


def one(seed: int) -> list[Outcome]:
    outcome = play(make(seed))
    print(story(smallest(seed) if outcome.broken else make(seed)))
    return [outcome]


def main(n: int, seed: int) -> int:
    began = time.perf_counter()
    if n == 1:
        found = one(seed)
    else:
        found = list(
            tqdm(
                outcomes(range(seed, seed + n)), total=n, unit="seed", mininterval=10, disable=None
            )
        )
    took = time.perf_counter() - began
    failed = [outcome for outcome in found if outcome.broken]
    for outcome in failed[:MOST_SHOWN]:
        print(
            f"seed {outcome.seed}: {outcome.broken[0]}\n"
            f"    replay: make faults N=1 SEED={outcome.seed}"
        )
    verdict = f"{len(failed)} FAILED" if failed else "every invariant held"
    print(f"faults: {n:,} seeds from {seed} in {took:.1f} s ({n / took:.1f} seeds/s): {verdict}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
