"""Which columns of a log look like times, by their names or their values."""

import re
from collections.abc import Iterable, Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FORMER_TIMES = _words(
    "timestamp ts time datetime date unixtime unixtimestamp unixreviewtime eventtime eventtimestamp eventdate "
    "createdat"
)
"""Usual names of the time of an interaction by the first rules, in lower case, with letters and digits only."""
USUAL_TIMES = FORMER_TIMES | _words(
    "utctimestamp utctime timestamputc timestampms timestampus timestampns timems unixtimems unixms epoch epochms "
    "eventts eventdatetime eventat created createtime addtime tdat invoicedate orderdate ordertime orderedat orderts "
    "purchasedate purchasetime purchasedat transactiondate transactiontime reviewtime reviewdate reviewedat "
    "reviewtimestamp ratingtime ratingdate ratingtimestamp ratedat clicktime clicktimestamp clickedat viewtime "
    "viewedat watchedat playedat listenedat visittime checkintime behaviortime actiontime interactiontime "
    "interactiontimestamp servertime servertimestamp occurredat loggedat dateadded addedat"
)
"""Usual names by the second rules."""
_DAYS = {"date", "eventdate"}
_CERTAIN = FORMER_TIMES - _DAYS
"""Those that are taken even if others look like times as well."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_TIME_WORDS = _words("ts day month year hour utc epoch dat timeframe")
_TIME_ENDS = ("time", "timestamp", "date")
_OTHER_WORDS = _words(
    "release released birth born publication published signup registered joined timezone zone realtime candidate"
)
"""Words of times that belong to a user or an item, and of what is no time."""
_DURATION_WORDS = _words(
    "play watch dwell duration runtime total spent reading loading listening played playtime lifetime"
)
_DATE = re.compile(
    r"\d{4}-?\d{2}-?\d{2}[T ]\d{2}:?\d{2}.*|\d{4}-\d{2}-\d{2}"
    r"|(\d{1,2}/\d{1,2}/\d{2,4}|\d{1,2}([.-])\d{1,2}\2\d{4}|\d{4}([/.])\d{1,2}\3\d{1,2}),?( .*)?"
    r"|(19[89]|20[0-3])\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|\d{1,2}-[A-Z][a-z]{2}-(\d{2}|\d{4})"
    r"|(\w{3},? )?(\d{1,2} )?(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* (\d.*)?\d{4}.*"
)
EPOCHS = {
    unit: (78 * 10**7 * size, 21 * 10**8 * size)
    for unit, size in {
        "seconds": 1,
        "milliseconds": 10**3,
        "microseconds": 10**6,
        "nanoseconds": 10**9,
    }.items()
}
"""Times from 1994 to 2036, since 1970: the lowest and the highest, by unit."""
_MIN_VALUES = 3
_NUMBER = re.compile(r"\d{9,19}(\.\d+)?")
_DAY = re.compile(r"(19|20)\d{2}(-?)\d{2}\2\d{2}([T ]00:?00(:?00)?.*)?")
_NO_VALUES = _words("null none nan nat na n/a <na> <null> (null) undefined \\n")
"""In lower case, what stands where a value is missing."""


def usual_times(columns: Sequence[str], plain: Sequence[str]) -> list[str]:
    """Return the columns that may be the timestamp: one, if it is clear, several, or none.

    A column with one of the most usual names is clear, unless it is a day. Any other name is only if no other column is
    named like a time. `plain` has the names in lower case, with letters and digits only.
    """
    usual = [column for column, name in zip(columns, plain, strict=True) if name in USUAL_TIMES]
    certain = [column for column, name in zip(columns, plain, strict=True) if name in _CERTAIN]
    if not usual or (len(certain) == 1 and not _DAYS & set(plain)):
        return certain
    return [column for column in columns if column in usual or looks_like_a_time(column)]


def looks_like_a_time(column: str, values: Iterable[str] = ()) -> bool:
    """Whether a column may hold the times of interactions, by the words of its name or by its values.

    Names of times that belong to a user or an item are believed whatever the values are, and those of durations unless
    the values are dates or counts since 1970.
    """
    words = [word.lower() for word in _WORD.findall(column.partition(":")[0])]
    plain = "".join(words)
    if _OTHER_WORDS & set(words):
        return False
    if (
        words
        and _DURATION_WORDS.isdisjoint(words)
        and (
            plain in USUAL_TIMES
            or plain == "ordernumber"
            or words[-1] == "at" != words[0]
            or not _TIME_WORDS.isdisjoint(words)
            or any(word.endswith(_TIME_ENDS) for word in words)
        )
    ):
        return True
    return not plain.endswith(("id", "key", "code", "number")) and are_times(values)


def are_times(values: Iterable[str]) -> bool:
    """Whether all values are dates, or counts of seconds or parts of them from 1994 to 2036, and differ."""
    texts = {text for value in values if (text := value.strip()) and text.lower() not in _NO_VALUES}
    if len(texts) < _MIN_VALUES:
        return False
    return all(_DATE.fullmatch(text) for text in texts) or any(
        all(_NUMBER.fullmatch(text) and low <= float(text) <= high for text in texts)
        for low, high in EPOCHS.values()
    )


def are_days(values: Iterable[str]) -> bool:
    """Whether all values are days, without a time of the day."""
    texts = {value.strip() for value in values} - {""}
    return bool(texts) and all(_DAY.fullmatch(text) for text in texts)
