"""Kept segments of a scene as the page names them."""

from __future__ import annotations

from app.segment_panels import KeptScene


def test_a_segment_that_is_no_more_keeps_the_name_it_had():
    now = {"segments": [{"segment_id": "travel/1", "name_en": "Owls", "name_zh": "夜间"}]}
    before = (
        {"segment_id": "travel/1", "name_en": "Night", "name_zh": "夜"},
        {"segment_id": "travel/2", "name_en": "Larks", "name_zh": "早起"},
    )
    found = KeptScene(None, now, before)
    assert found.names("en") == {"travel/1": "Owls", "travel/2": "Larks"}
    assert found.names("zh") == {"travel/1": "夜间", "travel/2": "早起"}
