"""Names people give: kept with the segment, with who and when."""

from datetime import UTC, datetime

import pytest

from scenefit.contracts.errors import ContractError
from segmentation.names import LONGEST, Names, SegmentName

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_the_latest_name_counts_and_the_earlier_ones_stay_on_record():
    names = (
        Names()
        .renamed("travel/3", "Flyers", "飞行", "li", AT)
        .renamed("travel/3", "Frequent flyers", "常旅客", "wu", AT)
    )
    assert names.of(["travel/3"]) == {0: SegmentName("Frequent flyers", "常旅客")}
    assert [name.by for name in names.given] == ["li", "wu"]


def test_a_name_stays_with_its_segment_when_its_place_by_size_changes():
    names = Names().renamed("travel/3", "Flyers", "飞行", "li", AT)
    assert names.of(["travel/1", "travel/2", "travel/3"]) == {2: SegmentName("Flyers", "飞行")}
    assert names.of(["travel/3", "travel/1"]) == {0: SegmentName("Flyers", "飞行")}


def test_two_segments_of_a_scene_never_share_a_name():
    names = Names().renamed("travel/3", "Flyers", "飞行", "li", AT)
    with pytest.raises(ContractError, match="'travel/3' is already called 'Flyers'"):
        names.renamed("travel/1", "flyers", "出行", "li", AT)
    assert len(names.renamed("education/1", "Flyers", "飞行", "li", AT).given) == 2


@pytest.mark.parametrize("en", ["", "   ", "x" * (LONGEST + 1)])
def test_a_name_is_neither_empty_nor_endless(en):
    with pytest.raises(ContractError, match=f"1 to {LONGEST} characters"):
        Names().renamed("travel/3", en, "飞行", "li", AT)


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ContractError, match="a moment with its zone"):
        Names().renamed("travel/3", "Flyers", "飞行", "li", AT.replace(tzinfo=None))


def test_damaged_names_say_where():
    with pytest.raises(ContractError, match=r"given\.0\.zh: Field required"):
        Names.read('{"given": [{"segment_id": "t/1", "en": "a", "by": "li", "at": "2026-01-05T09:00:00Z"}]}')
