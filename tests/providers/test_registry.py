"""A right providers file becomes providers; a wrong one is explained, all of it at once."""

from __future__ import annotations

from datetime import UTC, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mappers.base import Holds, Secret
from mappers.money import Currency
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from providers.codes import Case, CodeForm
from providers.problems import InvalidProviders
from providers.provider import Backend, Provider
from providers.registry import Registry

from .conftest import WriteFile


def only(registry: Registry) -> Provider:
    (provider,) = registry.all()
    return provider


def problems(path: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidProviders) as failure:
        Registry.load(path, environment=environment or {})
    return [problem.removeprefix(f"{path}: ") for problem in failure.value.problems]


def test_a_provider_has_everything_its_tables_say(write: WriteFile, acme: str) -> None:
    provider = only(Registry.load(write(acme)))
    assert (provider.id, provider.caption, provider.service_url) == (
        "acme",
        "Acme gift cards",
        "https://gift.example.com/acme",
    )
    assert provider.currency == Currency("BRL", 2)
    assert provider.authenticate("acme-key", "acme-token")
    assert provider.mapper.options.base_url == "http://127.0.0.1:1"
    assert (provider.mapper.currency, provider.mapper.holds) == (provider.currency, Holds.NATIVE)


def test_what_the_policy_leaves_out_has_a_default(write: WriteFile, acme: str) -> None:
    policy = only(Registry.load(write(acme.replace('[acme.policy]\nholds = "native"\n', "")))).policy
    assert policy.holds is Holds.NATIVE
    assert policy.settle == "capture"
    assert policy.authorization_ttl == policy.remainder_ttl == timedelta(days=30)


@pytest.mark.parametrize(("holds", "days"), [("native", 7), ("ledger", 30)])
def test_a_policy_that_does_not_say_how_long_holds_last_keeps_to_what_the_backend_can(
    write: WriteFile, acme: str, monkeypatch: pytest.MonkeyPatch, holds: str, days: int
) -> None:
    monkeypatch.setattr("tests.providers.conftest.Picky.longest_hold", timedelta(days=7))
    file = write(acme.replace('holds = "native"', f'holds = "{holds}"'))
    assert only(Registry.load(file)).policy.authorization_ttl == timedelta(days=days)


@pytest.mark.parametrize("policy", ['authorization_ttl = "89d"', 'holds = "ledger"\nauthorization_ttl = "400d"'])
def test_a_hold_may_last_as_long_as_the_one_who_holds_it_can(write: WriteFile, acme: str, policy: str) -> None:
    Registry.load(write(acme.replace('holds = "native"', policy)))


def test_a_policy_is_read(write: WriteFile, acme: str) -> None:
    file = write(acme + 'authorization_ttl = "12h"\nremainder_ttl = "45m"\nsettle = "accept"\nsearch_cache = "2s"\n')
    policy = only(Registry.load(file)).policy
    assert (policy.authorization_ttl, policy.remainder_ttl) == (timedelta(hours=12), timedelta(minutes=45))
    assert policy.settle == "accept"
    assert policy.search_cache == timedelta(seconds=2)


def test_a_time_zone_is_utc_unless_it_is_named(write: WriteFile, acme: str) -> None:
    assert only(Registry.load(write(acme))).timezone is UTC
    named = acme.replace('currency = "BRL"', 'currency = "BRL"\ntimezone = "America/Sao_Paulo"')
    assert only(Registry.load(write(named))).timezone == ZoneInfo("America/Sao_Paulo")


@pytest.mark.parametrize("name", ["Brasilia", "../etc/passwd", "/etc/localtime"])
def test_a_time_zone_that_nobody_knows_is_refused(write: WriteFile, acme: str, name: str) -> None:
    [problem] = problems(write(acme.replace('currency = "BRL"', f'currency = "BRL"\ntimezone = "{name}"')))
    assert problem.startswith("[acme] timezone: is no time zone: write an IANA name such as America/Sao_Paulo")


def test_how_codes_are_written_is_read(write: WriteFile, acme: str) -> None:
    assert only(Registry.load(write(acme))).codes == CodeForm()
    keys = 'currency = "BRL"\ncodes = "upper"\nstrip = "- "\npin_separator = "#"'
    assert only(Registry.load(write(acme.replace('currency = "BRL"', keys)))).codes == CodeForm(Case.UPPER, "- ", "#")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ('codes = "Upper"', 'codes: must be one of "upper", "lower"'),
        ('strip = "-A"', "strip: must be signs that can be typed, such as - or #, without letters and digits"),
        ('strip = "\u2013"', "strip: must be signs that can be typed, such as - or #, without letters and digits"),
        ('strip = ""', "strip: must not be empty"),
        (
            'pin_separator = "PIN"',
            "pin_separator: must be signs that can be typed, such as - or #",
        ),
    ],
)
def test_how_codes_cannot_be_written_is_explained(write: WriteFile, acme: str, key: str, problem: str) -> None:
    [found] = problems(write(acme.replace('currency = "BRL"', f'currency = "BRL"\n{key}')))
    assert found.startswith(f"[acme] {problem}")


def test_providers_with_one_mapper_and_address_share_an_account(write: WriteFile, acme: str) -> None:
    elsewhere = acme.replace("acme", "elsewhere").replace("127.0.0.1:1", "127.0.0.1:2")
    file = write(acme + acme.replace("acme", "other") + elsewhere)
    acme_account, other, different = [provider.backend.account for provider in Registry.load(file).all()]
    assert acme_account == other != different


def test_an_account_that_is_named_is_taken_at_its_word(write: WriteFile, acme: str) -> None:
    named = acme.replace("caption =", 'account = "brazil"\ncaption =', 1)
    assert only(Registry.load(write(named))).backend.account == "brazil"


def test_a_key_that_is_rotated_leaves_the_account(write: WriteFile, acme: str) -> None:
    before = only(Registry.load(write(acme))).backend
    assert only(Registry.load(write(acme.replace("very-secret", "another")))).backend == before


def test_vauchar_accounts_are_told_apart_by_their_merchant() -> None:
    options = [VaucharOptions(merchant_id=name, api_key=Secret("key")) for name in ("north", "south")]
    north, south = (Vauchar("acme", Currency("BRL", 2), Holds.LEDGER, given).account() for given in options)
    assert north != south


def test_a_backend_is_read_as_it_was_written() -> None:
    for currency in (Currency("BRL", 2), Currency("ACME/POINTS", 0)):
        backend = Backend("vauchar", "brazil", currency)
        assert Backend.parse(str(backend)) == backend


def test_several_providers_are_found_by_their_ids(write: WriteFile, acme: str) -> None:
    registry = Registry.load(write(acme + acme.replace("acme", "other")))
    assert [provider.id for provider in registry.all()] == ["acme", "other"]
    assert registry.get("other") is registry.all()[1]
    assert registry.get("nobody") is None


def test_the_environment_is_read_at_any_depth(write: WriteFile, acme: str) -> None:
    text = acme.replace('"acme-token"', '"${TOKEN}"').replace("http://127.0.0.1:1", "http://${HOST}:${PORT}")
    provider = only(Registry.load(write(text), environment={"TOKEN": "from-outside", "HOST": "localhost", "PORT": "7"}))
    assert provider.authenticate("acme-key", "from-outside")
    assert provider.mapper.options.base_url == "http://localhost:7"


def test_what_the_environment_says_is_not_read_again(write: WriteFile, acme: str) -> None:
    provider = only(Registry.load(write(acme.replace("acme-token", "${A}")), environment={"A": "${B}", "B": "wrong"}))
    assert provider.authenticate("acme-key", "${B}")


def test_a_digest_stands_for_its_token(write: WriteFile, acme: str) -> None:
    digest = sha256(b"rotated").hexdigest().upper()
    provider = only(Registry.load(write(acme.replace('app_token = "acme-token"', f'app_token_sha256 = "{digest}"'))))
    assert provider.authenticate("acme-key", "rotated")


def test_options_marked_secret_hide_themselves(write: WriteFile, acme: str) -> None:
    provider = only(Registry.load(write(acme)))
    assert isinstance(provider.mapper.options.api_key, Secret)
    assert "very-secret" not in repr(provider.mapper.options)


def test_a_branded_currency_may_be_in_any_case(write: WriteFile, acme: str) -> None:
    provider = only(Registry.load(write(acme.replace('"BRL"', '"AcmePoints"\ncurrency_digits = 0'))))
    assert provider.currency == Currency("AcmePoints", 0)


def test_a_branded_currency_brings_its_digits(write: WriteFile, acme: str) -> None:
    provider = only(Registry.load(write(acme.replace('"BRL"', '"ACMEPOINTS"\ncurrency_digits = 0'))))
    assert provider.currency == Currency("ACMEPOINTS", 0)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('caption = "Acme gift cards"\n', "", "[acme] caption: is missing"),
        ('caption = "Acme gift cards"', "caption = 7", "[acme] caption: must be text"),
        ('caption = "Acme gift cards"', 'caption = ""', "[acme] caption: must not be empty"),
        ("caption =", "capton =", '[acme] capton: unknown key: did you mean "caption"?'),
        ('"BRL"', '"BRX"', "[acme] currency: 'BRX' is not an ISO 4217 currency with a minor unit: set currency_digits"),
        ('"BRL"', '"brl"', '[acme] currency: must be in capitals: "BRL"'),
        ('"BRL"', '"brl"\ncurrency_digits = 2', '[acme] currency: must be in capitals: "BRL"'),
        ('"BRL"', '"xxx"\ncurrency_digits = 0', '[acme] currency: must be in capitals: "XXX"'),
        ('"BRL"', '"BRL"\ncurrency_digits = 9', "[acme] currency_digits: currency digits must be 0 to 4"),
        ('"BRL"', '"BRL"\ncurrency_digits = "2"', "[acme] currency_digits: must be a whole number"),
        ('"picky"', '"lightrail_v3"', '[acme] mapper: there is no mapper of this name: did you mean "lightrail_v2"?'),
        (
            'app_key = "acme-key"',
            'app_key = "acme key"',
            "[[acme.credentials]] number 1, app_key: must be visible ASCII",
        ),
        (
            'app_token = "acme-token"\n',
            "",
            "[[acme.credentials]] number 1: must have either app_token or app_token_sha256",
        ),
        ("acme-token", "tökén", "[[acme.credentials]] number 1, app_token: must be visible ASCII"),
        (
            'app_token = "acme-token"',
            'app_token = "acme-token"\napp_token_sha256 = "' + "0" * 64 + '"',
            "[[acme.credentials]] number 1: must have either app_token or app_token_sha256, and not both",
        ),
        (
            'app_token = "acme-token"',
            'app_token_sha256 = "acme-token"',
            "[[acme.credentials]] number 1, app_token_sha256: must be the 64 hexadecimal digits",
        ),
        (
            'app_token = "acme-token"',
            f'app_token_sha256 = "{sha256(b"").hexdigest()}"',
            "[[acme.credentials]] number 1, app_token_sha256: is the digest of nothing",
        ),
        (
            "app_token =",
            "app_tokn =",
            '[[acme.credentials]] number 1, app_tokn: unknown key: did you mean "app_token"?',
        ),
        ("[[acme.credentials]]", "[acme.credentials]", "[acme] credentials: must be an array of tables"),
        (
            '[[acme.credentials]]\napp_key = "acme-key"\napp_token = "acme-token"\n',
            "",
            "[acme] credentials: are missing: add a [[...credentials]] table",
        ),
        (
            '[[acme.credentials]]\napp_key = "acme-key"\napp_token = "acme-token"\n',
            "credentials = []\n",
            "[acme] credentials: must have at least one pair",
        ),
        ('api_key = "very-secret"\n', "", '[acme.options] api_key: is missing: add api_key = "${...}"'),
        ("api_key =", "apikey =", '[acme.options] apikey: unknown option: did you mean "api_key"?'),
        ('"very-secret"', '""', "[acme.options] api_key: must not be empty"),
        ('"very-secret"', "7", "[acme.options] api_key: must be text in quotes"),
        ('"very-secret"', '"very-secret"\npage_size = true', "[acme.options] page_size: must be a whole number"),
        ('"very-secret"', '"very-secret"\nverbose = "yes"', "[acme.options] verbose: must be true or false"),
        ('"very-secret"', '"very-secret"\nregion = 7', "[acme.options] region: must be text in quotes"),
        ('"very-secret"', '"very-secret"\npage_size = 101', "[acme.options] page_size: must be at most 100"),
        ('"http://127.0.0.1:1"', '"nowhere"', "[acme.options] base_url: must be a URL"),
        ('holds = "native"', 'holds = "nativ"', '[acme.policy] holds: must be one of "native", "ledger", "upfront"'),
        (
            'holds = "native"',
            'holds = "upfront"',
            '[acme.policy] holds: this mapper cannot do that: use "native" or "ledger"',
        ),
        ('holds = "native"', 'search_cache = "61s"', "[acme.policy] search_cache: must be at most 60s"),
        ('holds = "native"', 'settle = "acept"', '[acme.policy] settle: must be "capture" or "accept"'),
        (
            'holds = "native"',
            'holds = "ledger"\nsettle = "accept"',
            '[acme.policy] settle: cannot be "accept" with holds',
        ),
        ('holds = "native"', 'remainder_ttl = "30"', "[acme.policy] remainder_ttl: must be a whole number and a unit"),
        ('holds = "native"', "authorization_ttl = 30", "[acme.policy] authorization_ttl: must be text in quotes"),
        (
            'holds = "native"',
            'authorization_ttl = "90d"',
            "[acme.policy] authorization_ttl: cannot be longer than 89d: the backend itself gives a hold back then",
        ),
        ('holds = "native"', "hold = 1", '[acme.policy] hold: unknown key: did you mean "holds"?'),
        (
            'holds = "native"',
            'timezone = "UTC"',
            "[acme.policy] timezone: unknown key here: it belongs into the provider's own table",
        ),
        (
            "caption =",
            'settle = "accept"\ncaption =',
            "[acme] settle: unknown key here: it belongs into the table of the provider's policy",
        ),
        (
            "https://gift.example.com/acme",
            "https://gift.example.com",
            "[acme] service_url: needs at least one path segment",
        ),
        (
            "https://gift.example.com/acme",
            "https://gift.example.com/",
            "[acme] service_url: needs at least one path segment",
        ),
        (
            "https://gift.example.com/acme",
            "https://gift.example.com/acme/",
            "[acme] service_url: must not end with a slash",
        ),
        ("https://gift.example.com/acme", "http://gift.example.com/acme", "[acme] service_url: must be https"),
        ("https://gift.example.com/acme", "gift.example.com/acme", "[acme] service_url: must be a plain URL"),
        (
            "https://gift.example.com/acme",
            "https://u:p@gift.example.com/acme",
            "[acme] service_url: must be a plain URL",
        ),
        (
            "https://gift.example.com/acme",
            "https://gift.example.com/acme?a=b",
            "[acme] service_url: must be a plain URL",
        ),
        ("https://gift.example.com/acme", "https://[gift/acme", "[acme] service_url: must be a URL"),
        *(
            ("https://gift.example.com/acme", f"https://gift.example.com/acme{end}", "[acme] service_url: must be")
            for end in (" ", r"\n", r"\r", r"\t", "?", "#", r"\\", r"\u00e9")
        ),
    ],
)
def test_a_mistake_names_table_key_and_remedy(
    write: WriteFile, acme: str, before: str, after: str, complaint: str
) -> None:
    assert before in acme
    found = problems(write(acme.replace(before, after, 1)))
    assert any(problem.startswith(complaint) for problem in found), found


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/acme", "http://localhost/acme", "http://[::1]/a/acme"])
def test_a_service_url_on_this_machine_may_be_plain_http(write: WriteFile, acme: str, url: str) -> None:
    assert only(Registry.load(write(acme.replace("https://gift.example.com/acme", url)))).service_url == url


@pytest.mark.parametrize("name", ["-acme", "_acme", "ac.me", "açme", "a" * 65, "ac me", ""])
def test_an_id_that_no_path_should_have_is_refused(write: WriteFile, acme: str, name: str) -> None:
    assert any(
        "a provider's id is" in problem
        for problem in problems(write(acme.replace("acme.", f'"{name}".').replace("[acme]", f'["{name}"]')))
    )


@pytest.mark.parametrize("name", ["-", "-health", "a/b", "/acme"])
def test_an_id_never_reaches_into_the_service_s_own_paths(write: WriteFile, acme: str, name: str) -> None:
    found = problems(write(acme.replace("acme.", f'"{name}".').replace("[acme]", f'["{name}"]')))
    assert any("a provider's id is" in problem for problem in found)


@pytest.mark.parametrize("name", ["health", "ready", "console"])
def test_no_other_id_is_reserved(write: WriteFile, acme: str, name: str) -> None:
    assert only(Registry.load(write(acme.replace("[acme", f"[{name}").replace("[[acme", f"[[{name}")))).id == name


def test_an_app_key_is_given_once(write: WriteFile, acme: str) -> None:
    again = '[[acme.credentials]]\napp_key = "acme-key"\napp_token = "another"\n'
    assert problems(write(acme + again)) == [
        "[[acme.credentials]] number 2, app_key: is used twice: give each pair a key of its own"
    ]


def test_all_mistakes_of_a_file_are_told_at_once(write: WriteFile, acme: str) -> None:
    wrong = acme.replace('caption = "Acme gift cards"\n', "").replace('api_key = "very-secret"\n', "")
    other = acme.replace("acme", "other").replace('"BRL"', '"BRX"').replace("native", "upfront")
    third = "stray = 1\n"
    found = problems(write(third + wrong + other))
    places = [problem.split(":", maxsplit=1)[0] for problem in found]
    assert sorted(places) == [
        "[acme.options] api_key",
        "[acme] caption",
        "[other.policy] holds",
        "[other] currency",
        "[stray]",
    ]


def test_a_missing_variable_is_named_where_it_is_used(write: WriteFile, acme: str) -> None:
    found = problems(write(acme.replace("very-secret", "${ACME_KEY}").replace("http://127.0.0.1:1", "${}")))
    assert found == [
        "[acme.options] base_url: the environment variable (no name) is not set or empty: set it",
        "[acme.options] api_key: the environment variable ACME_KEY is not set or empty: set it",
    ]


def test_an_empty_variable_counts_as_missing(write: WriteFile, acme: str) -> None:
    (found,) = problems(write(acme.replace("acme-token", "${TOKEN}")), {"TOKEN": ""})
    assert "TOKEN" in found


def test_every_line_names_the_file(write: WriteFile, acme: str) -> None:
    path = write(acme.replace("caption", "capton"))
    with pytest.raises(InvalidProviders) as failure:
        Registry.load(path)
    assert all(line.startswith(f"{path}: ") for line in str(failure.value).splitlines())


def test_no_message_shows_a_secret(write: WriteFile, acme: str) -> None:
    text = acme.replace('"acme-token"', '"acme token"').replace("holds", "hold").replace("base_url", "base")
    shown = "\n".join(problems(write(text)))
    assert "acme token" not in shown
    assert "very-secret" not in shown


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "lists no provider"),
        (b"# nothing\n", "lists no provider"),
        (b"[acme\n", "is not TOML"),
        (b"[acme]\n[acme]\n", "is not TOML"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_explained(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "providers.toml"
    path.write_bytes(content)
    assert problems(path)[0].startswith(complaint)


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    assert "GIFTBRIDGE_PROVIDERS" in problems(tmp_path / "none.toml")[0]


@pytest.fixture
def unreadable(write: WriteFile, acme: str) -> None:
    write(acme).chmod(0)


@pytest.mark.usefixtures("unreadable", "bound_by_permissions")
def test_a_file_that_may_not_be_read_is_explained() -> None:
    assert "cannot be read" in problems(Path("providers.toml"))[0]


def test_a_directory_in_its_place_is_explained(tmp_path: Path) -> None:
    assert "cannot be read" in problems(tmp_path)[0]


def test_loading_again_keeps_the_mappers_that_did_not_change(write: WriteFile, acme: str) -> None:
    before = Registry.load(write(acme + acme.replace("acme", "other")))
    changed = acme.replace("acme-token", "new-token") + acme.replace("acme", "other").replace(
        "very-secret", "new-secret"
    )
    after = Registry.load(write(changed), known=before)
    assert [now.mapper is then.mapper for now, then in zip(after.all(), before.all(), strict=True)] == [True, False]


def test_another_policy_or_currency_makes_another_mapper(write: WriteFile, acme: str) -> None:
    before = Registry.load(write(acme))
    for changed in (acme.replace("native", "ledger"), acme.replace("BRL", "USD")):
        assert only(Registry.load(write(changed), known=before)).mapper is not only(before).mapper
