"""The page on rules: every example on it is read, and says what the page says."""

import re
from pathlib import Path

import pytest

from scenefit.contracts.errors import ContractError
from segmentation.rule_trees import MOST_CONDITIONS, MOST_DEPTH
from segmentation.rule_values import LARGEST_WHOLE
from segmentation.rules import Rule

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf8")


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def typed():
    table = PAGE.split("## Conditions")[1].split("## What exactly")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.M)


@pytest.mark.parametrize("text", [*blocks("rule"), *typed()])
def test_every_rule_of_the_page_can_be_typed(text):
    rule = Rule.parse(text)
    assert Rule.parse(rule.text()) == rule


def test_the_page_shows_each_kind_of_condition():
    shown = " ".join(Rule.parse(text).model_dump_json() for text in [*blocks("rule"), *typed()])
    kinds = ("compare", "between", "in", "missing", "percentile", "did", "in_segment", "in_audience", "in_scene",
             "and", "or", "not")  # fmt: skip
    assert [kind for kind in kinds if f'"kind":"{kind}"' not in shown] == []


def test_the_sentences_of_the_page_are_those_of_the_rule():
    rule = Rule.parse(blocks("rule")[0])
    assert f"| in English | {rule.sentence('en')} |" in PAGE
    assert f"| 中文 | {rule.sentence('zh')} |" in PAGE


def test_the_error_of_the_page_is_the_one_that_is_raised():
    (shown,) = blocks("error")
    with pytest.raises(ContractError) as error:
        Rule.parse(shown.splitlines()[1].strip())
    assert str(error.value) == shown.rstrip("\n")


def test_the_code_of_the_page_runs():
    (code,) = blocks("python")
    exec(compile(code, "docs/rules.md", "exec"), {})


def test_the_limits_of_the_page_are_those_of_the_code():
    assert f"{MOST_CONDITIONS:,} conditions, {MOST_DEPTH} levels" in PAGE
    assert f"{LARGEST_WHOLE:,}" in PAGE
