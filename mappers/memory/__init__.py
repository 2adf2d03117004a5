"""A complete gift card system in a dict: for a first try, for tests, and to be copied for the next backend."""
