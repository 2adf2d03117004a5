"""VTEX's Gift Card Hub: its API, its calls to a serviceUrl, and a sandbox of it."""
