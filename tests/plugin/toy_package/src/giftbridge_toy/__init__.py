"""Everything about Toy: its wire, what that means to the ledger, and a stand-in to try it on."""
