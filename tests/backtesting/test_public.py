"""A public name of ``kisnb`` means one thing, whatever was imported before."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

import kisnb
from kisnb.backtesting.backtest import backtest


def test_backtest_is_the_function_also_after_its_module_was_imported():
    assert kisnb.backtest is backtest


@pytest.mark.parametrize("name", kisnb.__all__)
def test_no_public_function_or_class_has_the_name_of_a_module(name: str):
    """An import of `kisnb.NAME.x` would bind the module to the name."""
    if not isinstance(getattr(kisnb, name), ModuleType):
        assert importlib.util.find_spec(f"kisnb.{name}") is None
