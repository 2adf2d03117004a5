"""The documents are plain English: `docs/style` has the rules, and Harper looks for breaches, without a network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import FENCE, ROOT, Document, cells, documents

STYLE = ROOT / "docs/style"
RULES = sorted(path.stem for path in STYLE.glob("*.weir"))

# Of Harper's own rules, those that are right about short technical sentences.
HARPERS = [
    "AnA",
    "AvoidAndAlso",
    "CondenseAllThe",
    "FillerWords",
    "Hedging",
    "PronounInflectionBe",
    "PronounVerbAgreement",
    "RepeatedWords",
    "SpellCheck",  # in American English
    "ThereIsAgreement",
]

LONGEST = 30  # words of a sentence

ENGLISH = [page for page in documents() if not page.name.endswith((".es.md", ".pt.md"))]

# What a mapper's page notes of its vendor's API is looked up, not read.
READ = [page for page in ENGLISH if not page.name.startswith("mappers/")]


def words_of(text: str) -> str:
    """Return a text line by line without its code, its emphasis, and the ends of possessives and of file names."""
    text = FENCE.sub(lambda code: "\n" * code[0].count("\n"), text)
    return re.sub(r"\*\*|(?<=\w)(?:'s\b|[./_]\w[\w./+-]*)", "", text).replace("<br>", " ")


def ordinary(lint: dict[str, str]) -> bool:
    """Tell whether what was found is English: to the spelling checker, a name as VTEX, V2 or requestId is none."""
    return lint["rule"] != "SpellCheck" or re.fullmatch(r"[A-Z]?[a-z]{2,}", lint["matched_text"]) is not None


def findings(folder: Path, texts: dict[str, str]) -> list[str]:
    """Return what Harper finds in texts, a line each, as `name:line: "words": what is wrong`."""
    with zipfile.ZipFile(folder / "style.weirpack", "w") as pack:
        for path in (STYLE / "manifest.json", *STYLE.glob("*.weir")):
            pack.write(path, path.name)
    files = {name.replace("/", "--"): name for name in texts}
    for file, name in files.items():
        (folder / file).write_text(words_of(texts[name]), "utf-8")
    asked = ["lint", "--quiet", "--no-color", "--format", "json", "--dialect", "us"]
    asked += ["--weirpacks", "style.weirpack", "--user-dict-path", str(STYLE / "words.txt")]
    asked += ["--only", ",".join([*HARPERS, *RULES])]
    run = subprocess.run(
        [sys.executable, "-m", "harper", *asked, *files], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.stdout.startswith("["), run.stderr
    return [
        f'{files[found["file"]]}:{lint["line"]}: {lint["rule"]}: "{lint["matched_text"]}": {lint["message"]}'
        for found in json.loads(run.stdout)
        for lint in found["lints"]
        if ordinary(lint)
    ]


def sentences(page: Document) -> Iterator[str]:
    """Yield the sentences of a page: of its paragraphs, the items of its lists and the cells of its tables."""
    text = re.sub(r"<!--.*?-->", "\n\n", page.prose, flags=re.DOTALL)
    text = re.sub(r"^(#.*)$", r"\n\1\n", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "code", text)
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\|)|<br>", text):
        for part in cells(paragraph) or [re.sub(r"^\s*(?:[-*]|\d+\.) ", "", paragraph)]:
            yield from (" ".join(one.split()) for one in re.split(r"(?<=[.!?:;])[*_)]*\s+", part))


def test_the_documents_keep_to_the_style(tmp_path: Path) -> None:
    found = findings(tmp_path, {page.name: page.text for page in ENGLISH})
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", READ, ids=lambda page: page.name)
def test_a_sentence_has_at_most_thirty_words(page: Document) -> None:
    long = [sentence for sentence in sentences(page) if len(sentence.split()) > LONGEST]
    assert not long, "\n".join(long)


def test_a_breach_of_the_style_is_found(tmp_path: Path) -> None:
    breaches = {
        "EmptyWords": "The service simply asks.",
        "LearnedWords": "The service asks via the mapper.",
        "LongPhrases": "The service asks in order to know.",
        "PassiveWithAgent": "The card is read by the service.",
        "RepeatedWords": "The service asks the the backend.",
        "SpellCheck": "The catalogue of the service.",
    }
    assert {*RULES} < {*breaches}
    found = findings(tmp_path, {f"{rule}.md": f"```\ncode\n```\n{text}\n" for rule, text in breaches.items()})
    assert [line.split(": ")[:2] for line in sorted(found)] == [[f"{rule}.md:4", rule] for rule in sorted(breaches)]


def test_a_long_sentence_is_found_wherever_it_stands() -> None:
    long = " ".join(["word"] * (LONGEST + 1))
    text = f"# Heading\n{long}.\n\n- item\n- {long}\n\n| a | b |\n|---|---|\n| x | {long} |\n\nAlso `{long}`."
    assert [len(one.split()) for one in sentences(Document("page.md", text)) if len(one.split()) > LONGEST] == [31] * 3


def test_every_word_of_the_style_is_used() -> None:
    words = (STYLE / "words.txt").read_text("utf-8").split()
    assert words == sorted(words, key=str.lower)
    prose = "\n".join(page.prose for page in ENGLISH)
    assert [word for word in words if not re.search(rf"\b{word}", prose)] == []
