"""Translations to gift card systems: one folder a backend, one contract for all of them in `base`."""
