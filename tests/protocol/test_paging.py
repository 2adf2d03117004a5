"""REST-Range: which part of a list is answered."""

from __future__ import annotations

import pytest

from app.protocol.paging import page

SIXTY = list(range(60))


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        (None, 0, 49),
        ("resources=0-9", 0, 9),
        ("resources=10-19", 10, 19),
        ("resources = 10 - 19", 10, 19),
        ("resources 5-5", 5, 5),
        ("0-2", 0, 2),
        ("resources=50-99", 50, 59),
        ("", 0, 49),
        ("everything", 0, 49),
        ("resources=9-0", 0, 49),
        ("resources=-1", 0, 49),
        ("resources=0-" + "9" * 30, 0, 59),
    ],
)
def test_a_range_is_read_leniently_and_both_ends_count(header: str | None, first: int, last: int) -> None:
    items, content_range = page(SIXTY, header)
    assert items == SIXTY[first : last + 1]
    assert content_range == f"resources {first}-{last}/60"


def test_the_answer_names_the_items_that_are_there() -> None:
    assert page([1, 2, 3], "resources=0-9") == ([1, 2, 3], "resources 0-2/3")


def test_nothing_is_range_0_0_of_0() -> None:
    assert page([], "resources=10-19") == ([], "resources 0-0/0")


def test_a_page_behind_the_end_is_empty_and_still_tells_the_total() -> None:
    assert page([1, 2, 3], "resources=10-19") == ([], "resources 10-19/3")
