"""Lightrail's early V2 draft: gift cards are value stores, found by simulating an order that they would pay."""
