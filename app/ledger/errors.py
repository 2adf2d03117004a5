"""What can go wrong in the ledger itself, beside what a backend answers (see mappers.base)."""


class LedgerError(Exception):
    """Root of the errors below. Messages are for people and hold no secret."""


class TransactionNotFound(LedgerError):
    """This card has no such transaction."""


class AmountExceeded(LedgerError):
    """More would be settled, voided or refunded than the transaction has left."""


class RequestConflict(LedgerError):
    """The same requestId came before with another value."""


class Unresolved(LedgerError):
    """Part of the transaction is still unknown and could not be resolved in time; ask again later."""


class OtherFormat(LedgerError):
    """A transaction was stored by another version of giftbridge, in a format that this one must not touch; or changed
    by something else, so that it cannot be read."""


class OtherBackend(LedgerError):
    """The transaction was opened at another backend account, or in another currency, than its provider has now."""


class LedgerUnavailable(LedgerError):
    """Redis cannot be reached, or must not be trusted with money."""
