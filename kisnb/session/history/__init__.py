"""Past days of a session: ``session.history`` over the store and KIS."""
