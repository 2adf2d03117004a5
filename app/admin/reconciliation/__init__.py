"""Compares the ledger with the statements of the backends, and repairs what is provably right."""
