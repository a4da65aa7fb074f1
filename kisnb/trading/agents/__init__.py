"""Agents: the base class of a person's strategy, and the runner that drives one agent."""
