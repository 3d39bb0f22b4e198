"""What people call the segments: names given by hand, kept with the segment and not with its place by size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from scenefit.contracts.errors import ContractError

# longer names do not fit a chart's axis
LONGEST = 60
Spoken = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST)]


class SegmentName(NamedTuple):
    """What a segment is called."""

    en: str
    zh: str


class GivenName(BaseModel):
    """A name that a person gave a segment: what, who, when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    segment_id: str
    en: Spoken
    zh: Spoken
    by: str
    at: AwareDatetime


class Names(BaseModel):
    """Every name people gave, oldest first; the latest of a segment counts.

    JSON is the stored form: `names.model_dump_json()` and `Names.read(text)`.

    >>> from datetime import timezone
    >>> at = datetime(2026, 1, 5, tzinfo=timezone.utc)
    >>> names = Names().renamed("travel/3", "Weekend flyers", "周末出行", by="li", at=at)
    >>> names.of(["travel/1", "travel/3"])
    {1: SegmentName(en='Weekend flyers', zh='周末出行')}
    >>> Names.read(names.model_dump_json()) == names
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    given: tuple[GivenName, ...] = ()

    def renamed(self, segment_id: str, en: str, zh: str, by: str, at: datetime) -> Names:
        """These names and one more.

        Raises
        ------
        ContractError : a name is empty or too long, or another segment of the scene bears it.
        """
        try:
            new = GivenName(segment_id=segment_id, en=en, zh=zh, by=by, at=at)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ContractError(
                f"name of {segment_id!r}: {first['loc'][0]} {first['input']!r}: {first['msg']}; "
                f"give a name of 1 to {LONGEST} characters in each language, and a moment with its zone"
            ) from error
        scene = segment_id.rpartition("/")[0]
        for name in self.current():
            same = name.en.casefold() == new.en.casefold() or name.zh == new.zh
            if same and name.segment_id != segment_id and name.segment_id.rpartition("/")[0] == scene:
                raise ContractError(
                    f"name of {segment_id!r}: {name.segment_id!r} is already called {name.en!r} / {name.zh!r}; "
                    "choose another name, or rename that one first"
                )
        return Names(given=(*self.given, new))

    def current(self) -> list[GivenName]:
        """The latest name of each segment, in the order of the segments' first naming."""
        return list({name.segment_id: name for name in self.given}.values())

    def of(self, segment_ids: Sequence[str]) -> dict[int, SegmentName]:
        """Given names by position in `segment_ids`; segments without one are left out."""
        latest = {name.segment_id: SegmentName(name.en, name.zh) for name in self.current()}
        return {i: latest[segment_id] for i, segment_id in enumerate(segment_ids) if segment_id in latest}

    @classmethod
    def read(cls, text: str) -> Names:
        """Names of a JSON text; ContractError names the place that is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole text"
            raise ContractError(f"segment names: {place}: {first['msg']}; restore the stored names") from error
