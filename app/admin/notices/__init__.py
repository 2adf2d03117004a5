"""Notices to people: what waits for a person is told once, by webhook and by e-mail."""
