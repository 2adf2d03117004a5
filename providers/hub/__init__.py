"""VTEX's Gift Card Hub seen from here: its API, its calls to a serviceUrl, and a stand-in for it."""
