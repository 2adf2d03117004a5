"""Currencies: a decimal amount becomes an integer of the smallest unit, and back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, DecimalException

from iso4217 import Currency as IsoCurrency

# Lua scripts and JSON carry integers exactly only up to 14 digits; no gift card comes near it.
MAXIMUM_MINOR_UNITS = 10**13

# A binary float keeps about 16 significant digits. A value that misses its cent by less than this share
# of itself (some thousand times the float's own error) was meant to be that cent.
FLOAT_ARTEFACT_RATIO = Decimal(2) ** -40

# Digits in any currency we know of (CLF has four); a sane upper bound for a branded one.
MAXIMUM_DIGITS = 4


class InvalidAmount(ValueError):
    """The value is not an amount of this currency; the message says why and is safe to show."""


class UnknownCurrency(ValueError):
    """Neither ISO 4217 nor the configuration says how many digits this currency has."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency code and the number of digits after its decimal point.

    Amounts inside the service are integers of the smallest unit: 1530 is 15.30 BRL, 15 JPY is 15.
    """

    code: str
    digits: int

    @classmethod
    def of(cls, code: str, digits: int | None = None) -> Currency:
        """Return the currency named `code`; `digits` overrides ISO 4217, and is needed for branded currencies.

        Points (`XXX`) have no minor unit in ISO 4217 and count whole here.
        Raises UnknownCurrency with a message that says what to configure.
        """
        if digits is not None:
            if not 0 <= digits <= MAXIMUM_DIGITS:
                raise UnknownCurrency(f"currency digits must be 0 to {MAXIMUM_DIGITS}, not {digits}")
            return cls(code, digits)
        if code == "XXX":
            return cls(code, 0)
        try:
            exponent = IsoCurrency(code).exponent
        except ValueError:
            exponent = None
        if exponent is None:
            raise UnknownCurrency(f"{code!r} is not an ISO 4217 currency with a minor unit: set currency_digits")
        return cls(code, exponent)

    def to_minor(self, value: Decimal) -> int:
        """Return `value` (major units) as an integer of the smallest unit.

        A float artifact (15.299999999999999) becomes the amount it means. Raises InvalidAmount for NaN, infinity,
        what is truly finer than the currency (1.005 BRL) and what is larger than any card.
        """
        scaled = self._scaled(value)
        minor = int(scaled.to_integral_value())
        if scaled != minor and abs(scaled - minor) > abs(scaled) * FLOAT_ARTEFACT_RATIO:
            raise InvalidAmount(f"the amount is finer than {self.code} allows ({self.digits} digits)")
        return minor

    def spendable(self, balance: Decimal) -> int:
        """Return what of a balance (major units) can be spent, as an integer of the smallest unit.

        A balance may be finer than the currency (10000.50 CLP): the fraction stays on the card. Raises InvalidAmount
        for NaN, infinity and what is larger than any card.
        """
        try:
            return self.to_minor(balance)
        except InvalidAmount:
            return int(self._scaled(balance).to_integral_value(ROUND_FLOOR))

    def _scaled(self, value: Decimal) -> Decimal:
        if not value.is_finite():
            raise InvalidAmount("an amount must be a finite number")
        if value and value.adjusted() > len(str(MAXIMUM_MINOR_UNITS)):
            raise InvalidAmount("the amount is too large")
        if value and value.adjusted() < -40:
            raise InvalidAmount(f"the amount is finer than {self.code} allows ({self.digits} digits)")
        try:
            scaled = value.scaleb(self.digits)
            minor = int(scaled.to_integral_value())
        except DecimalException as error:
            raise InvalidAmount("the amount has too many digits") from error
        if abs(minor) > MAXIMUM_MINOR_UNITS:
            raise InvalidAmount("the amount is too large")
        return scaled

    def to_decimal(self, minor: int) -> Decimal:
        """Return an integer of the smallest unit in major units, with exactly the currency's digits (1530 -> 15.30)."""
        return Decimal(minor).scaleb(-self.digits)


def is_iso(code: str) -> bool:
    """Tell whether ISO 4217 has this currency."""
    try:
        Currency.of(code)
    except UnknownCurrency:
        return False
    return True
