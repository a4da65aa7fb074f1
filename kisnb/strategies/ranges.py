"""The ranges of parameters, as types. An agent refuses a value that is outside of one."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Count: TypeAlias = Annotated[int, Meta(ge=1)]
"""A whole number from 1 on."""
Part: TypeAlias = Annotated[float, Meta(gt=0, le=1)]
"""A part of a whole: above 0, up to 1."""
NotNegative: TypeAlias = Annotated[float, Meta(ge=0)]
"""A number from 0 on."""
