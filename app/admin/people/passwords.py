"""Passwords: which are good enough, and how what proves them is kept."""

from __future__ import annotations

import re
import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256
LEAST_DIFFERENT_CHARACTERS = 5

# What most lists of stolen passwords have, without the digits and signs that are put around it.
_COMMON = """
abcdefghijkl abcdefghijklmnop admin adminadmin administrador administrator asdfghjkl bemvindo bienvenido changeme
contrasena contraseña football futebol giftbridge giftcard giftcards iloveyou iloveyouiloveyou letmein micontrasena
minhasenha p4ssword passw0rd password passwordpassword passwort princess qwerty qwertyqwerty qwertyuiop qwertyuiopasdf
senha superman trustno vtex welcome zxcvbnm
"""
COMMON = frozenset(_COMMON.split())

_hasher = PasswordHasher()

# One check takes 64 MiB for a moment.
_at_a_time = threading.BoundedSemaphore(2)


class WeakPassword(ValueError):
    """The password is not accepted; `why` says what is wrong with it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def check_strength(password: str, user: str) -> None:
    """Raises WeakPassword."""
    if len(password) < LEAST_CHARACTERS:
        raise WeakPassword("too short")
    if len(password) > MOST_CHARACTERS:
        raise WeakPassword("too long")
    letters = re.sub(r"[\W\d_]+", "", password.lower())
    if len(set(password)) < LEAST_DIFFERENT_CHARACTERS or letters in COMMON or password.isdigit():
        raise WeakPassword("too common")
    if len(user) > 2 and letters == re.sub(r"[\W\d_]+", "", user.lower()):
        raise WeakPassword("the name")


def digest(password: str) -> str:
    """Return what proves a password and does not tell it (argon2id, with the salt in it)."""
    with _at_a_time:
        return _hasher.hash(password)


def proves(password: str, kept: str | None) -> bool:
    """Tell whether this is the password. It takes as long where there is none."""
    with _at_a_time:
        try:
            return _hasher.verify(kept or _of_nobody(), password[: MOST_CHARACTERS + 1]) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


@cache
def _of_nobody() -> str:
    """Return what an unknown user's password is checked against: the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_hex())
