"""One typed configuration, from the environment (``KISNB_…``)."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec

from kisnb.errors import ConfigError


class Config(msgspec.Struct, frozen=True):
    """What can be set, with its defaults; the environment variable is ``KISNB_`` and the name in capitals."""

    sim_speed: str = "1"
    """Speed of the simulator's clock: a number, or ``step`` for lockstep."""
    max_order_value: int = 50_000_000
    """The most one order may be worth, won."""
    order_timeout: float = 10.0
    """Seconds of wall time after which an order without an answer counts as unknown."""
    calls_per_second: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    """REST calls a second and appkey; 0 takes 15 at live and 1 at paper. KIS allows new customers 3 for three days."""
    credentials: str = ""
    """Path of an official-style ``kis_devlp.yaml`` with the keys for paper and live."""
    record: str = ""
    """File to which a desk writes every request, reply and frame of its own, masked, a JSON line each."""

    @property
    def speed(self) -> float:
        """The simulator's speed as a number; 0 is lockstep. Raises ConfigError."""
        if self.sim_speed == "step":
            return 0.0
        try:
            speed = float(self.sim_speed)
        except ValueError:
            speed = -1.0
        if not 0 < speed <= 100_000:
            raise ConfigError(f"KISNB_SIM_SPEED={self.sim_speed!r} is no speed", "give a number above 0, or step")
        return speed


def load_config() -> Config:
    """The configuration as the environment sets it; raises ConfigError for a value of the wrong type."""
    names = {f.name: f"KISNB_{f.encode_name.upper()}" for f in msgspec.structs.fields(Config)}
    given = {name: os.environ[variable] for name, variable in names.items() if os.environ.get(variable)}
    try:
        return msgspec.convert(given, Config, strict=False)
    except msgspec.ValidationError as e:
        raise ConfigError(f"the configuration is wrong: {e}", f"correct {', '.join(names[n] for n in given)}") from e
