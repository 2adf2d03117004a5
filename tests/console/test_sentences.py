"""What checks and comparisons say in English is said in the reader's language; what is not ours is marked."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest
from flask_babel import force_locale

from app.admin import doctor
from app.admin.people.users import Role
from app.admin.providers import checks
from app.admin.reconciliation import meaning
from app.admin.reconciliation.meaning import PAST
from app.console import sentences
from app.console.sentences import NAMES, SENTENCES, check_name, said

from .conftest import Console


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("answers in 12 ms", "responde em 12 ms"),
        ("answered with 403 instead of 401", "respondeu com 403 em vez de 401"),
        ("60.00 BRL were taken, and the ledger does not know why", "60.00 BRL foram retirados, e o registro não sabe"),
        ("60.00 BRL too much were given back", "foram devolvidos 60.00 BRL a mais"),
        ("Redis's clock is 9 s ahead of this machine's", "O relógio do Redis está 9 s adiantado em relação ao desta"),
        ("It may have happened or not.", "Pode ter acontecido ou não."),
    ],
)
def test_a_sentence_of_ours_is_said_in_the_readers_language(console: Console, text: str, shown: str) -> None:
    with console.app.test_request_context(), force_locale("pt_BR"):
        assert str(said(text)).startswith(shown)
    with console.app.test_request_context(), force_locale("en"):
        assert str(said(text)).replace("&#39;", "'") == text


def test_what_is_not_ours_stays_as_it_is_marked_as_english_and_harmless(console: Console) -> None:
    with console.app.test_request_context(), force_locale("es"):
        assert str(said("Lightrail answers 500: <b>")) == '<span lang="en">Lightrail answers 500: &lt;b&gt;</span>'
        assert str(check_name("something new")) == '<span lang="en">something new</span>'
        assert str(check_name("acme: double slash")) == "acme: barra doble"


@pytest.mark.parametrize("language", ["pt_BR", "es"])
def test_the_checks_of_a_provider_have_no_english_but_what_is_not_ours(console: Console, language: str) -> None:
    page = console.user(Role.OPERATOR, language=language).post("/providers/acme/check").text
    assert "<th" in page
    assert '<th scope="row"><span lang="en">' not in page


def called(module: ModuleType) -> Iterator[str]:
    """Yield what the checks of a module are called, where it stands there as such."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(func=ast.Name("Check"), args=[ast.Constant(str(name)), *_]):
                yield name
            case ast.Assign(targets=[ast.Name("name")], value=ast.Constant(str(name))):
                yield name


def test_every_check_has_a_name_for_the_reader() -> None:
    found = {*called(checks), *called(doctor), *doctor.WAITING.values()}
    assert len(found) > 15
    assert found <= set(NAMES)


def test_no_sentence_is_taken_for_another() -> None:
    for number, sentence in enumerate(SENTENCES):
        found = sentences._known(sentence.replace("%(", "(").replace(")s", ")"))
        assert found is not None
        assert found[0] == number, sentence


def test_every_word_for_what_became_of_money_is_known() -> None:
    assert {word for word in PAST.values() if word != "read"} <= set(sentences.WORDS)
    constants = [meaning.REPAIR, meaning.LOOK, meaning.UNRESOLVED]
    assert all(sentences._known(text) for text in constants)
