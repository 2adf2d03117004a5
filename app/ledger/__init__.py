"""The money: states, use cases, the store that survives, and the sweeper that finishes what nobody came back for."""
