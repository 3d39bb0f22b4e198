"""A kept default model says what the fitted one said, its errors too."""

import numpy as np
import pandas as pd
import pytest

from app.default_scores import default_model
from app.outcome import default_parts
from risk.default import DefaultModel
from scenefit.contracts.errors import NotFitted
from scenefit.runtime import models


def fitted():
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"spend": rng.random(600), "visits": rng.integers(0, 9, 600)})
    return features, DefaultModel().fit(features, rng.random(600) < 0.3 * features["spend"])


def test_a_kept_model_tells_probabilities_and_their_errors_again(tmp_path):
    features, model = fitted()
    models.save(tmp_path / "default", *default_parts(model))
    found = default_model(tmp_path / "default")
    assert found.predict_proba(features).tobytes() == model.predict_proba(features).tobytes()
    assert found.logit_error(features).tobytes() == model.logit_error(features).tobytes()


def test_a_model_kept_before_there_were_errors_tells_its_probabilities_alone(tmp_path):
    features, model = fitted()
    arrays, facts = default_parts(model)
    models.save(tmp_path / "default", {name: one for name, one in arrays.items() if name != "covariance"}, facts)
    found = default_model(tmp_path / "default")
    assert (found.predict_proba(features) == model.predict_proba(features)).all()
    with pytest.raises(NotFitted, match="kept without the covariance"):
        found.logit_error(features)
