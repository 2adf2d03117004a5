"""Gift cards that live in Vauchar: looked up by code, redeemed by id, given back by deleting redemptions."""
