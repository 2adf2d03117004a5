"""Lightrail V1: cards found by code or by contact, whose money moves in transactions under ids of our own."""
