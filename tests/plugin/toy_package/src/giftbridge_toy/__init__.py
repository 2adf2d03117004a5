"""Everything about Toy: its calls, what that means to the ledger, and a sandbox to try it on."""
