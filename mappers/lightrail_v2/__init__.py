"""Lightrail V2: gift cards are Values, money moves in Transactions."""
