"""``demo --with-trouble``: every episode ends in the truth, and says what the import did."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from pipedrive_orchestration.cli.trouble import EPISODES, Episode, show_trouble
from pipedrive_orchestration_tests.chaos.sizes import in_full


def shown(episodes: Sequence[Episode]) -> str:
    text = io.StringIO()
    assert show_trouble(Console(file=text, width=250), episodes)
    return text.getvalue()


def episodes_of(*words: str) -> list[Episode]:
    chosen = [episode for episode in EPISODES if any(word in episode.met for word in words)]
    assert len(chosen) == len(words)
    return chosen


def test_what_was_met_and_done_is_shown() -> None:
    said = shown(episodes_of("launchpad run"))
    assert "reads 25 windows again: read under another definition" in said
    assert "every table equals the account, cell by cell" in said


@in_full
def test_every_episode_ends_in_the_truth() -> None:
    said = shown(EPISODES)
    for words in (
        "values set aside",
        "recents:read",
        "was killed",
        "told of a removal without an id",
        "last read 7 days ago",
    ):
        assert words in said
