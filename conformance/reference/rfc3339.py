"""Timestamps as text (INTERCHANGE.md). Written out by hand because datetime knows neither the year 0 nor nanoseconds."""

import re

from errors import Refused
from values import Timestamp

FORM = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{0,8}[1-9]))?Z")

FIRST_SECOND = -62_167_219_200  # 0000-01-01T00:00:00Z
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z


def parse(text: str) -> Timestamp:
    match = FORM.fullmatch(text)
    if not match:
        raise Refused("InvalidValue", "no RFC 3339 time in UTC")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= _days_in_month(year, month) and hour < 24 and minute < 60 and second < 60):
        raise Refused("InvalidValue", "no such time")
    nanoseconds = int((match[7] or "0").ljust(9, "0"))
    days = _days_before_year(year) + sum(_days_in_month(year, past) for past in range(1, month)) + day - 1
    return Timestamp(FIRST_SECOND + days * 86_400 + hour * 3600 + minute * 60 + second, nanoseconds)


def text(value: Timestamp) -> str | None:
    """None for years outside 0000 to 9999."""
    if not FIRST_SECOND <= value.seconds <= LAST_SECOND:
        return None
    days, rest = divmod(value.seconds - FIRST_SECOND, 86_400)
    year = days // 366
    while _days_before_year(year + 1) <= days:
        year += 1
    day = days - _days_before_year(year)
    month = 1
    while day >= _days_in_month(year, month):
        day -= _days_in_month(year, month)
        month += 1
    fraction = f".{value.nanoseconds:09}".rstrip("0") if value.nanoseconds else ""
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{year:04}-{month:02}-{day + 1:02}T{clock}{fraction}Z"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if _leap(year) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days_before_year(year: int) -> int:
    """Days from 0000-01-01; the year 0 is a leap year."""
    if year == 0:
        return 0
    past = year - 1
    return 365 * year + past // 4 - past // 100 + past // 400 + 1
