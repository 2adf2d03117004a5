"""Mappers that installed packages bring: found without being imported, and kept in their place."""

from __future__ import annotations

import sys

import pytest
import structlog

from mappers import capabilities, registry
from mappers.registry import BrokenMapper

from .conftest import WORKING, Install


def test_a_package_s_mapper_is_known_by_the_name_of_its_entry_point(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": WORKING})
    assert "acme" in registry.available()
    assert registry.load("acme").__name__ == "Acme"


def test_naming_the_mappers_imports_none(install: Install) -> None:
    install(
        "giftbridge-acme", {"acme": "acme_pack.mapper:Acme"}, {"acme_pack/__init__.py": "", "acme_pack/sandbox.py": ""}
    )
    assert "acme" in registry.available()
    assert "acme" in registry.sandboxes()
    assert "acme_pack" not in sys.modules


def test_a_mapper_may_be_in_a_namespace_inside_a_namespace(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_space.gifts.mapper:Acme"}, {"acme_space/gifts/sandbox.py": ""})
    install("giftbridge-bare", {"bare": "bare_space.gifts.mapper:Acme"}, {"bare_space/gifts/mapper.py": WORKING})
    assert {"acme", "bare"} & set(registry.sandboxes()) == {"acme"}


def test_a_built_in_mapper_is_loaded_without_importing_packages(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": "raise SystemExit('never')"})
    assert registry.load("memory").__name__ == "Memory"
    assert "acme_mapper" not in sys.modules


def test_a_package_brings_its_sandbox(install: Install) -> None:
    install(
        "giftbridge-acme",
        {"acme": "acme_pack.mapper:Acme"},
        {"acme_pack/__init__.py": "", "acme_pack/mapper.py": WORKING, "acme_pack/sandbox.py": "DEFAULT_PORT = 7"},
    )
    assert registry.sandbox("acme").DEFAULT_PORT == 7


def test_a_sandbox_that_is_broken_says_whose_it_is(install: Install) -> None:
    files = {"acme_pack/__init__.py": "", "acme_pack/mapper.py": WORKING, "acme_pack/sandbox.py": "import no_such"}
    install("giftbridge-acme", {"acme": "acme_pack.mapper:Acme"}, files)
    with pytest.raises(BrokenMapper, match=r"acme of giftbridge-acme 1.5 .* sandbox acme_pack.sandbox"):
        registry.sandbox("acme")


def test_a_package_cannot_take_a_built_in_mapper_s_place(install: Install) -> None:
    install("giftbridge-thief", {"memory": "thief:Acme"}, {"thief.py": WORKING})
    with structlog.testing.capture_logs() as logs:
        assert registry.load("memory").__module__ == "mappers.memory.mapper"
    [warning] = logs
    assert (warning["log_level"], warning["package"]) == ("warning", "giftbridge-thief")
    [told] = [one for one in capabilities.describe() if one.origin == "giftbridge-thief"]
    assert told.problem == "memory is built in, and a package cannot take its place"


def test_two_packages_with_one_name_are_both_left_out(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": WORKING})
    install("other-acme", {"acme": "other_mapper:Acme"}, {"other_mapper.py": WORKING})
    with pytest.raises(BrokenMapper, match="giftbridge-acme and other-acme all bring one of this name"):
        registry.load("acme")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("Acme", "NameError"),
        ("", "no attribute 'Acme'"),
        ("Acme = 7", "7 is not a subclass of giftbridge.mapper.Mapper"),
        ("from mappers.base import Mapper\nclass Acme(Mapper): find = get_card = None", "does not write ask, run"),
        ("from mappers.memory.mapper import Memory\nclass Acme(Memory): supported_holds = ()", "supported_holds"),
        ("from mappers.memory.mapper import Memory\nclass Acme(Memory): Options = dict", "Options is not a dataclass"),
    ],
)
def test_a_broken_package_says_whose_it_is_and_why(install: Install, text: str, why: str) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": text})
    with pytest.raises(BrokenMapper) as caught:
        registry.load("acme")
    assert "the mapper acme of giftbridge-acme 1.5 cannot be used" in str(caught.value)
    assert "repair or upgrade the package giftbridge-acme" in str(caught.value)
    assert why in str(caught.value)


def test_a_broken_package_leaves_the_others_alone(install: Install) -> None:
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": "import no_such_library"})
    described = {one.name: one for one in capabilities.describe()}
    assert "no_such_library" in (described["acme"].problem or "")
    assert described["memory"].problem is None
    assert registry.load("memory")


def test_what_a_package_s_mapper_can_do_is_derived_from_its_class(install: Install) -> None:
    install(
        "giftbridge-acme",
        {"acme": "acme_mapper:Acme"},
        {
            "acme_mapper.py": """
            from dataclasses import dataclass
            from mappers.base import ActKind, Holds, Mapper, Secret, Unsupported

            @dataclass(frozen=True)
            class AcmeOptions:
                api_key: Secret
                region: str | None = None

            class Acme(Mapper):
                supported_holds = (Holds.UPFRONT,)
                one_step_at_a_time = True
                Options = AcmeOptions
                def find(self, query, deadline): ...
                def get_card(self, card_id, deadline): ...
                def run(self, step, deadline): ...
                def ask(self, step, deadline): ...
                def ping(self, deadline): ...
                def plan(self, act, transaction):
                    if act.kind is ActKind.CREDIT:
                        raise Unsupported("no")
                    return super().plan(act, transaction)
        """
        },
    )
    [acme] = [one for one in capabilities.describe() if one.name == "acme"]
    assert acme == capabilities.Description(
        name="acme",
        origin="giftbridge-acme",
        version="1.5",
        holds=("upfront",),
        repeatable=False,
        one_step_at_a_time=True,
        adds_value=False,
        issues=False,
        finds_by_customer=False,
        rules=False,
        keeps_terms=False,
        statement=False,
        lists_cards=False,
        checks_credentials=True,
        required_options=("api_key",),
        optional_options=("region",),
        sandbox=False,
    )


def test_a_plan_that_wants_more_than_facts_says_nothing(install: Install) -> None:
    text = WORKING + "    def plan(self, act, transaction):\n        return self.options.region\n"
    install("giftbridge-acme", {"acme": "acme_mapper:Acme"}, {"acme_mapper.py": text})
    [acme] = [one for one in capabilities.describe() if one.name == "acme"]
    assert acme.adds_value is None
