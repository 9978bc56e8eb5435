"""How trainings on other machines go on: the last piece of news of each, kept until it is asked for."""

from __future__ import annotations

News = tuple[int, int, float, float]
"""Step, steps, loss, images/s: what a display is told."""


class Board:
    """Where tasks put their news, by the job's number, and the process with the display takes them."""

    def __init__(self) -> None:
        self._last: dict[int, News] = {}

    def tell(self, number: int, news: News) -> None:
        """A job's training has got so far."""
        self._last[number] = news

    def take(self) -> dict[int, News]:
        """What has come since this was last asked."""
        last, self._last = self._last, {}
        return last
