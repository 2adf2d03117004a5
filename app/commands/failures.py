"""Which errors end a command with a sentence instead of a traceback, and with which exit code."""

from __future__ import annotations

import click

from app.admin.backups.file import BackupRefused
from app.admin.people.users import UserError
from app.admin.providers.credentials import InUse
from app.admin.providers.files import EditRefused
from app.admin.providers.plans import RegistrationFailed
from app.admin.providers.probe import NotAccepted
from app.ledger.errors import LedgerError
from app.ledger.storage.identity import NoLedger, OtherLedger
from app.server.embedded import EmbeddedRedisFailed
from app.server.serve import CannotServe
from app.settings import InvalidSettings
from mappers.base import MapperError
from mappers.money import InvalidAmount
from mappers.registry import BrokenMapper
from providers.hub.client import HubError, HubMisconfigured
from providers.problems import InvalidProviders

# The configuration or the machine is at fault: scripts see the exit code of wrong usage.
WRONG_SETUP = (
    CannotServe,
    EmbeddedRedisFailed,
    HubMisconfigured,
    InvalidProviders,
    InvalidSettings,
    NoLedger,
    OtherLedger,
)

# It was understood, and refused.
REFUSED = (
    BackupRefused,
    BrokenMapper,
    EditRefused,
    HubError,
    InUse,
    InvalidAmount,
    LedgerError,
    MapperError,
    NotAccepted,
    RegistrationFailed,
    UserError,
)


class _WrongSetup(click.ClickException):
    exit_code = 2


def explained(error: Exception) -> click.ClickException | None:
    """Return what a command ends with; None where the error is a mistake in the code."""
    if isinstance(error, WRONG_SETUP):
        return _WrongSetup(str(error))
    return click.ClickException(str(error)) if isinstance(error, REFUSED) else None
