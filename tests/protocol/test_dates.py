"""Dates on the wire: ISO 8601 in, UTC with milliseconds out."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import pytest

from app.protocol import dates


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-08-01T13:15:30Z", datetime(2020, 8, 1, 13, 15, 30, tzinfo=UTC)),
        ("2020-08-01T13:15:30", datetime(2020, 8, 1, 13, 15, 30, tzinfo=UTC)),
        ("2020-08-01T13:15:30-03:00", datetime(2020, 8, 1, 16, 15, 30, tzinfo=UTC)),
        ("2011-02-04T17:02:19.1", datetime(2011, 2, 4, 17, 2, 19, 100_000, tzinfo=UTC)),
        ("2011-02-04T17:02:19.17", datetime(2011, 2, 4, 17, 2, 19, 170_000, tzinfo=UTC)),
        ("2014-04-24T20:22:58.163", datetime(2014, 4, 24, 20, 22, 58, 163_000, tzinfo=UTC)),
        ("2023-06-02T18:24:49.252855Z", datetime(2023, 6, 2, 18, 24, 49, 252_855, tzinfo=UTC)),
        ("2019-03-18T14:42:32.1291783Z", datetime(2019, 3, 18, 14, 42, 32, 129_178, tzinfo=UTC)),
    ],
)
def test_iso_8601_is_read_with_or_without_zone_and_fraction(text: str, moment: datetime) -> None:
    assert dates.parse(text) == moment


@pytest.mark.parametrize("text", ["", " ", "0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00+05:00"])
def test_nothing_and_the_year_one_are_no_date(text: str) -> None:
    assert dates.parse(text) is None


def test_what_names_no_zone_is_in_the_one_that_is_given() -> None:
    there = timezone(timedelta(hours=-3))
    assert dates.parse("2030-08-01T13:15:30", there) == datetime(2030, 8, 1, 16, 15, 30, tzinfo=UTC)
    assert dates.parse("2030-08-01T13:15:30Z", there) == datetime(2030, 8, 1, 13, 15, 30, tzinfo=UTC)


def test_a_date_alone_means_the_time_of_day_that_is_given() -> None:
    assert dates.parse("2030-08-01") == datetime(2030, 8, 1, tzinfo=UTC)
    assert dates.parse("2030-08-01", of_day=time(23, 59, 59)) == datetime(2030, 8, 1, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["tomorrow", "2020-13-01T00:00:00Z", "9999-12-31T23:00:00-05:00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        dates.parse(text)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 5, 4, 12, 0, 0, 252_855, tzinfo=UTC), "2026-05-04T12:00:00.252Z"),
        (datetime(2026, 5, 4, 12, tzinfo=UTC), "2026-05-04T12:00:00.000Z"),
        (datetime(2026, 5, 4, 12, tzinfo=timezone(timedelta(hours=-3))), "2026-05-04T15:00:00.000Z"),
        (datetime(2026, 5, 4, 12), "2026-05-04T12:00:00.000Z"),  # noqa: DTZ001 - a backend may keep no zone
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_dates_go_out_in_utc_to_the_millisecond(moment: datetime, text: str) -> None:
    assert dates.render(moment) == text
