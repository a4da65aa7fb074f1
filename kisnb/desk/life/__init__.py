"""The life of a desk: start, search, restart, halt from outside, stop.

    no desk ──launch──► supervisor ──starts──► desk: build ──► ready ──► serves sessions
                            │  ▲                       │                     │
                            │  └──── died, RESTART ────┼─────────────────────┤
                            │                          │                     │
                            │      cannot start        ▼                     ▼
                            └──────────────────► given up            stopped for good
                                     (farewell on file)           (sessions get a farewell)

``launch`` finds or starts, ``supervisor`` starts again, ``build`` puts the desk together, ``door``
keeps its socket, ``process`` is the desk's main program.
"""
