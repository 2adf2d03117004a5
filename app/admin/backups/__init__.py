"""Copies of a ledger: into a file and back, and from one Redis to another."""
