"""People without behaviour lean on what their segment takes; nobody else's answer changes by a bit."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from app.take_chances import _lean_on_segments, chances_unoffered
from recsys.interactions import Interactions, microseconds
from recsys.training import Labels, Material

END = pd.Timestamp("2026-06-01", tz="UTC")


def shared(active):
    """Sixty people, of whom `active` did something; all of segment s/0 took product 0, all of s/1 product 1."""
    at = np.full(len(active), microseconds(END - pd.Timedelta(days=3)))
    names = [f"c{i:02d}" for i in range(60)]
    behaviour = Interactions(names, ["m1"], np.asarray(active), np.zeros(len(active), int), at, END)
    who = np.arange(60)
    labels = Labels(who, who % 2, np.zeros(60, int), np.zeros((60, 1)))
    return SimpleNamespace(material=Material(behaviour, None, labels, (END - pd.Timedelta(days=28), END), 2, {}, 0))


SEGMENT = np.array(["s/0", "s/1"] * 30, object)


def test_who_did_nothing_leans_on_the_segment():
    which = np.full((60, 2), 0.5)
    _lean_on_segments(which, shared(active=np.arange(4, 60)), SEGMENT, END)
    assert (which[4:] == 0.5).all()
    assert which[0, 0] > 0.55
    assert which[1, 1] > 0.55
    assert (which[0] == which[2]).all()
    np.testing.assert_allclose(which.sum(axis=1), 1)


def test_where_everybody_did_something_nothing_changes():
    which = np.full((60, 2), 0.5)
    _lean_on_segments(which, shared(active=np.arange(60)), SEGMENT, END)
    assert (which == 0.5).all()


def with_results(control, takers):
    """Two products, of which a randomised campaign tested the first."""
    results = pd.DataFrame(
        {"product_id": ["P1"], "randomised": [True], "control": [control], "takers_control": [takers]}
    )
    return SimpleNamespace(
        results=results, catalogue=SimpleNamespace(products=pd.DataFrame({"product_id": ["P1", "P2"]}))
    )


def test_a_randomised_campaign_that_kept_nobody_in_control_tells_nothing():
    assert chances_unoffered(with_results(0, 0)).tolist() == [0, 0]
    assert chances_unoffered(with_results(500, 10)).tolist() == [0.02, 0.02]
