"""What has to hold of the versions of a source, and answers about the past that must not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from pipedrive_orchestration.sources import Source
from pipedrive_orchestration_tests.exactness.trial import Trial

OVERLAP = timedelta(minutes=5)
"""The time after which the answer about an instant stays what it is."""

Answer = list[tuple[Any, ...]]


def broken_versions(trial: Trial, source: Source, unkept: Collection[str] = ()) -> list[str]:
    """What is wrong with the versions, nothing where they chain and end in the rows.

    Args:
        trial: the account.
        source: of it.
        unkept: ids of rows that came while no versions were kept; they may have gone before that changed.
    """
    properties = ", ".join(f'"{key}"' for key in source.properties)
    columns = f"_id, {properties}, _update_time, _is_archived"
    slug = f'"{source.slug}"'
    checks = {
        "current rows without exactly one open version": f"""
            SELECT r._id FROM pipedrive.{slug} AS r
            LEFT JOIN pipedrive_history.{slug} AS h ON h._id = r._id AND h._valid_to IS NULL
            GROUP BY r._id, r._is_current HAVING count(h._id) <> r._is_current::INT""",
        "open versions without a row": f"""
            SELECT _id FROM pipedrive_history.{slug} WHERE _valid_to IS NULL
            AND _id NOT IN (SELECT _id FROM pipedrive.{slug})""",
        "open versions that differ from their row": f"""
            SELECT _id FROM (
                SELECT {columns} FROM pipedrive_history.{slug} WHERE _valid_to IS NULL
                EXCEPT SELECT {columns} FROM pipedrive.{slug} WHERE _is_current)""",
        "versions that end before they begin": f"""
            SELECT _id FROM pipedrive_history.{slug} WHERE _valid_to < _valid_from""",
        "versions that overlap": f"""
            SELECT _id FROM (
                SELECT _id, _valid_from, max(coalesce(_valid_to, 'infinity')) OVER (
                    PARTITION BY _id ORDER BY _valid_from, coalesce(_valid_to, 'infinity')
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
                FROM pipedrive_history.{slug}) WHERE ended > _valid_from""",
        "rows without any version": f"""
            SELECT _id FROM pipedrive.{slug} WHERE _id NOT IN (SELECT _id FROM pipedrive_history.{slug})
            AND (_is_current OR NOT list_contains({list(unkept)}::VARCHAR[], _id::VARCHAR))""",
    }
    return [f"{what}: {rows[:5]}" for what, sql in checks.items() if (rows := trial.ask(sql))]


def versions(trial: Trial, source: Source) -> Answer:
    """Every version, its end last."""
    return trial.ask(f'SELECT * EXCLUDE (_valid_to), _valid_to FROM pipedrive_history."{source.slug}"')


def at(trial: Trial, source: Source, instant: datetime) -> Answer:
    """The rows at an instant: the answer of the macro, without the ends of versions, which are set later."""
    return trial.ask(
        f'SELECT * EXCLUDE (_valid_to) FROM pipedrive_at."{source.slug}"(?) ORDER BY _id', instant
    )


class Past:
    """The answers about instants of the past as they were first given.

    Each time it is looked at, an instant is taken that the overlap has just passed, and all that were taken
    before are asked about again.
    """

    def __init__(self, trial: Trial, source: Source) -> None:
        self._trial = trial
        self._source = source
        self._answers: dict[datetime, Answer] = {}
        self._versions: Answer = []

    def look(self) -> None:
        """Ask again about every instant that was asked about before, and about one more.

        Raises:
            AssertionError: an answer has changed, or more of a version than its open end.
        """
        for instant, answer in self._answers.items():
            assert at(self._trial, self._source, instant) == answer, f"the past of {instant} has changed"
        written = versions(self._trial, self._source)
        assert _changes(self._versions, written) == []
        self._versions = written
        instant = self._trial.demo.account.clock.now() - OVERLAP
        self._answers.setdefault(instant, at(self._trial, self._source, instant))


def _changes(before: Answer, after: Answer) -> list[str]:
    """Versions that are gone or are others than they were, but for the ends of those that were open."""
    wholes, beginnings = Counter(map(str, after)), Counter(str(version[:-1]) for version in after)
    ended = Counter(str(version) for version in before if version[-1] is not None)
    begun = Counter(str(version[:-1]) for version in before)
    return [*(ended - wholes), *(begun - beginnings)]
