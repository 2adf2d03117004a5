"""What the sandbox of Lightrail V1 starts with: cards in every state, promotions, programs, a customer's own cards."""

from __future__ import annotations

from typing import Any

from mappers.lightrail_sandbox import FUTURE, PAST, Json
from mappers.lightrail_v1.sandbox_cards import Rule
from mappers.lightrail_v1.sandbox_model import SandboxState

PROGRAM = "program-gift-cards"

# code -> (what it is, what it is created with; BRL unless it says otherwise)
_CARDS: dict[str, tuple[str, Json]] = {
    "V1ACT-250": ("active, 250.00 BRL", {"initialValue": 25000, "expires": FUTURE}),
    "V1ACT-100": ("active, 100.00 BRL", {"initialValue": 10000}),
    "V1ACT-10": ("active, 10.00 BRL", {"initialValue": 1000}),
    "V1ACT-EMPTY": ("active, 0.00 BRL", {"initialValue": 0}),
    "V1FRO-50": ("frozen, 50.00 BRL", {"initialValue": 5000}),
    "V1EXP-50": ("expired, 50.00 BRL", {"initialValue": 5000, "expires": PAST}),
    "V1NST-50": ("starts in the far future, 50.00 BRL", {"initialValue": 5000, "startDate": FUTURE}),
    "V1CAN-50": ("canceled, 50.00 BRL", {"initialValue": 5000}),
    "V1INA-50": ("inactive, 50.00 BRL", {"initialValue": 5000, "inactive": True}),
    "V1USD-50": ("active, 50.00 USD", {"initialValue": 5000, "currency": "USD"}),
    "V1JPY-5000": ("active, 5000 JPY", {"initialValue": 5000, "currency": "JPY"}),
    "V1KWD-5": ("active, 5.000 KWD", {"initialValue": 5000, "currency": "KWD"}),
    "V1PTS-900": ("active, 900 points", {"initialValue": 900, "currency": "XXX"}),
    "V1PRO-30": ("30.00 BRL, and 20.00 more for a cart of 100.00 or more", {"initialValue": 3000}),
    "V1OLD-30": ("expired, 30.00 BRL and an active promotion of 20.00", {"initialValue": 3000, "expires": PAST}),
    "V1OWN-20": ("active, 20.00 BRL, attached to ana@example.com", {"initialValue": 2000}),
    "V1HAT-30": ("30.00 BRL, and 5.00 more for a cart with the item red-hat", {"initialValue": 3000}),
    "V1PIN-40": ("active, 40.00 BRL, with the PIN 4711", {"initialValue": 4000}),
    "V1 /+=.%#é ODD": ("active, 75.00 BRL, a code that needs encoding", {"initialValue": 7500}),
}
SEEDS = {code: description for code, (description, _) in _CARDS.items()}

# The PINs of those codes that have one.
PINS = {"V1PIN-40": "4711"}

# Cards found without a code, by the e-mail address.
CUSTOMERS = {"ana@example.com": "account cards with 40.00 BRL, 15.00 BRL and 900 points, a gift card with 20.00 BRL"}

_PROMOTIONS: dict[str, tuple[Rule | None, str, int]] = {
    "program-twenty-off": (Rule("If your cart total is at least 100.00.", minimum_total=10000), "V1PRO-30", 2000),
    "program-red-hat": (Rule("If you buy a red hat.", item_id="red-hat"), "V1HAT-30", 500),
    "program-any-cart": (None, "V1OLD-30", 2000),
}


def _program(program_id: str, currency: str, store_type: str = "PRINCIPAL", **limits: Any) -> Json:
    limits = {"codeValueMin": 0, "codeValueMax": 100000, "fixedCodeValues": None} | limits
    return limits | {
        "programId": program_id, "userSuppliedId": program_id, "name": program_id, "active": True,
        "currency": currency, "dateCreated": PAST, "programExpiresDate": None, "programStartDate": PAST,
        "codeActivePeriodInDays": None, "codeEngine": "SIMPLE_STORED_VALUE", "codeConfig": "GFBT",
        "valueStoreType": store_type, "metadata": None, "timeZone": "PST", "cardType": None,
    }  # fmt: skip


def seeded() -> SandboxState:
    """Return a fresh model with all of it."""
    model = SandboxState()
    programs = [
        _program(PROGRAM, "BRL"),
        _program("program-large", "BRL", codeValueMin=1000, codeValueMax=50000),
        _program("program-fixed", "BRL", fixedCodeValues=[5000, 10000]),
        *(_program(f"program-{currency.lower()}", currency) for currency in ("USD", "JPY", "KWD", "XXX")),
        *(_program(name, "BRL", "ATTACHED") for name in _PROMOTIONS),
    ]
    model.programs = {program["programId"]: program for program in programs}
    model.rules = {name: (rule,) for name, (rule, _, _) in _PROMOTIONS.items() if rule}
    for number, (code, (_, given)) in enumerate(_CARDS.items(), 1):
        currency = given.get("currency", "BRL")
        program_id = PROGRAM if currency == "BRL" else f"program-{currency.lower()}"
        body = {"userSuppliedId": f"seed-{number}", "cardType": "GIFT_CARD", "currency": "BRL", "programId": program_id}
        model.create_card(body | given, code)
    for name, (_, code, value) in _PROMOTIONS.items():
        promotion = {"userSuppliedId": name, "programId": name, "currency": "BRL", "initialValue": value}
        model.attach(model.by_code(code), promotion)
    model.switch(model.by_code("V1FRO-50"), "FREEZE", {"userSuppliedId": "seed-freeze"})
    model.switch(model.by_code("V1CAN-50"), "CANCELLATION", {"userSuppliedId": "seed-cancel"})
    for code, pin in PINS.items():
        model.by_code(code).pin = pin
    ana = model.create_contact({"userSuppliedId": "12345678909", "email": "ana@example.com", "firstName": "Ana"})
    model.by_code("V1OWN-20").json["contactId"] = ana["contactId"]
    for number, (value, currency, labels) in enumerate(
        (
            (4000, "BRL", {"giftbridge_caption": "Birthday credit", "giftbridge_relation_name": "Club"}),
            (1500, "BRL", {"city": "São Paulo"}),
            (900, "XXX", {"giftbridge_caption": "Points"}),
        ),
        1,
    ):
        body = {"userSuppliedId": f"seed-account-{number}", "cardType": "ACCOUNT_CARD", "currency": currency}
        model.create_card(body | {"contactId": ana["contactId"], "initialValue": value, "categories": labels})
    return model
