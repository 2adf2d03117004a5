"""The money: states, use cases, Redis that survives, and the sweeper that finishes what nobody came back for."""
