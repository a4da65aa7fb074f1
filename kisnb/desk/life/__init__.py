"""The life of a desk: start, search, restart, halt from outside, stop.

    no desk ──launch──► supervisor ──starts──► desk: build ──► ready ──► serves sessions
                            │  ▲                       │                     │
                            │  └──── died, RESTART ────┼─────────────────────┤
                            │                          │                     │
                            │      cannot start        ▼                     ▼
                            └──────────────────► given up            stopped for good
                                     (farewell on file)           (sessions get a farewell)

``launch`` finds or starts a desk. ``supervisor`` starts it again. ``build`` makes and connects its
parts. ``door`` keeps its socket. ``process`` is its main program.
"""
