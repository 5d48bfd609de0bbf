"""Makes sentences for people. The program that shows a sentence formats its times for the reader's time zone and
locale.
"""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Sentence(BaseModel):
    """A sentence in plain English. `{name}` in `text` stands for the time `name` in `times`. Other braces are ordinary
    text.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    state: str
    """The state that the sentence describes, in one word for machines."""
    text: str
    times: dict[str, datetime] = {}

    def in_words(self, clock: Callable[[datetime], str]) -> str:
        """Returns the sentence with its times, each formatted by `clock`."""
        text = self.text
        for name, moment in self.times.items():
            text = text.replace(f"{{{name}}}", clock(moment))
        return text


def type_name(data_type: str) -> str:
    """Returns the name of a data type for people: `pull requests`, and `search index` for `embeddings`."""
    return "search index" if data_type == "embeddings" else data_type.replace("_", " ")


def count(number: int, noun: str, nouns: str = "") -> str:
    """Returns a number with its noun: `1 repository`, `1,234 repositories`. `nouns` is the plural. Without `nouns`, the
    plural is the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def days(number: int) -> str:
    """Returns a number of days in words: `5 years`, `1 year`, `90 days`."""
    return count(number // 365, "year") if number and number % 365 == 0 else count(number, "day")
