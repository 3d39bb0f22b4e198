"""What leaves the house: only who may be contacted now, under names that say nothing, with counts that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError, NotEligible, PurposeError, SettingsError
from scenefit.contracts.quiet import QuietHours
from scenefit.runtime.delivery import Delivered, content_sha256
from segmentation.export import Origin, Permissions, Release, ReleasePolicy, Uses, release
from segmentation.match_keys import email_key, phone_key, pseudonyms, sha256

NOW = pd.Timestamp("2026-06-01T04:00Z")
DAY = pd.Timedelta(days=1)
KEY = bytes(range(32))
IDS = [f"c{i:03d}" for i in range(60)]
ORIGIN = Origin("young-drivers", 3, '{"kind":"rule"}', NOW - DAY, "mei", NOW)
POLICY = ReleasePolicy("mail house", ("email", "sms"), floor=20, hold_out=0.0)
USES = Uses(
    {"city": {"marketing", "risk"}, "age": {"marketing"}, "debt": {"risk"}, "segment_id": {"marketing"}},
    {"city": ["customers.city"], "age": ["customers.birth_year"], "debt": ["bureau.total_debt"], "segment_id": []},
)


def people(ids: list[str] = IDS) -> pd.DataFrame:
    """Everybody with an address, a number and an attribute or two."""
    return pd.DataFrame(
        {
            "customer_id": ids,
            "email": [f"P.{i}@Example.com" for i in ids],
            "phone": [f"138{int(i[1:]):08d}" for i in ids],
            "city": ["Hangzhou" if int(i[1:]) % 2 else "=HYPERLINK(1)" for i in ids],
            "age": 30,
            "debt": 1.0,
            "segment_id": "s1",
        }
    )


def consents(
    ids: list[str], channel: str = "email", granted: bool = True, at: pd.Timestamp = NOW - DAY
) -> pd.DataFrame:
    """The same change of consent for many."""
    frame = pd.DataFrame({"customer_id": ids, "channel": channel, "granted": granted, "at": at})
    never = pd.Series([pd.NaT] * len(ids), dtype="datetime64[us, UTC]")
    return frame.assign(purpose="marketing", expires=never)


def released(ids: list[str] = IDS, policy: ReleasePolicy = POLICY, **given_: Any) -> Release:
    """A release in which everybody consented, but for what a test says."""
    standing = {
        "people": people(),
        "permissions": Permissions(consents(IDS)),
        "origin": ORIGIN,
        "uses": USES,
        "key": KEY,
    }
    return release(ids, policy, **(standing | given_))


class TestReceipt:
    """Counts that add up, and everything needed to trace the file."""

    def test_each_step_says_how_many_are_left(self) -> None:
        permissions = Permissions(
            consents(IDS[:50]),
            pd.DataFrame({"customer_id": IDS[:3], "list": "court", "source": "register", "listed_at": NOW - DAY,
                          "until": pd.Series([pd.NaT] * 3, dtype="datetime64[us, UTC]")}),
            contacts=pd.Series({"c003": 3, "c004": 2}),
            suppressions={"unsubscribed by letter": ["c005", "c006", "c059"]},
        )  # fmt: skip

        receipt = released([*IDS, "erased"], permissions=permissions).receipt

        assert [(step.step, step.customers) for step in receipt.steps] == [
            ("audience", 61), ("still known", 60), ("consent", 50), ("not blocked", 47),
            ("not on list: unsubscribed by letter", 45), ("contact cap", 44), ("outside hold-out", 44), ("written", 44),
        ]  # fmt: skip
        assert receipt.members - sum(step.customers for step in receipt.removed) == receipt.written == 44

    def test_it_names_audience_rule_person_and_moment(self) -> None:
        receipt = released().receipt

        assert (receipt.audience_id, receipt.version, receipt.by) == ("young-drivers", 3, "mei")
        assert (receipt.destination, receipt.channels) == ("mail house", ("email", "sms"))
        assert receipt.rule_sha256 == sha256('{"kind":"rule"}')
        assert (receipt.at, receipt.as_of) == (NOW.isoformat(), (NOW - DAY).isoformat())

    def test_a_plain_list_has_no_rule(self) -> None:
        assert released(origin=ORIGIN._replace(rule=None)).receipt.rule_sha256 == ""

    def test_a_cap_without_contacts_is_none(self) -> None:
        counted = Permissions(consents(IDS), contacts=pd.Series(dtype="int64"))

        assert released().receipt.cap is None
        assert released(permissions=counted).receipt.cap == 3

    def test_the_writer_fills_in_what_it_saw(self) -> None:
        receipt = released().receipt.delivered(Delivered("people.csv", "csv", 60, "ab" * 32, 4711, 30))

        told = json.loads(receipt.text())
        assert (told["target"], told["sha256"], told["size"], told["disarmed"]) == ("people.csv", "ab" * 32, 4711, 30)
        assert told["steps"][0] == {"step": "audience", "customers": 60}

    def test_a_writer_that_wrote_other_rows_is_found_out(self) -> None:
        with pytest.raises(ContractError, match="59 rows were written, 60 released; throw the file away"):
            released().receipt.delivered(Delivered("people.csv", "csv", 59, "", 0))

    def test_counts_that_do_not_add_up_stop_everything(self) -> None:
        with pytest.raises(ContractError, match="nothing may leave"):
            replace(released().receipt, written=61).reconciled()


class TestPermission:
    """Asked at the moment of writing, not of saving."""

    def test_a_withdrawal_after_the_audience_was_saved_counts(self) -> None:
        changes = pd.concat([consents(IDS), consents(IDS[:5], granted=False, at=NOW)])

        assert released(permissions=Permissions(changes)).receipt.written == 55

    def test_each_row_names_the_first_channel_that_is_open(self) -> None:
        changes = pd.concat([consents(IDS[:30], "sms"), consents(IDS[20:], "email")])

        table = released(permissions=Permissions(changes)).table

        assert table["channel"].value_counts().to_dict() == {"email": 40, "sms": 20}

    def test_without_a_statement_of_consents_nothing_leaves(self) -> None:
        with pytest.raises(PurposeError, match="the data states no consents, and nobody is contacted without"):
            released(permissions=Permissions())

    def test_consents_kept_elsewhere_are_named_in_the_receipt(self) -> None:
        receipt = released(
            policy=replace(POLICY, consent_elsewhere="signed forms, archive 7"), permissions=Permissions()
        ).receipt

        assert receipt.consent == "signed forms, archive 7"
        assert receipt.steps[2].step == "consent (not stated in the data)"

    def test_the_hold_out_stays_at_home(self) -> None:
        many = [f"c{i:03d}" for i in range(1000)]
        found = release(
            many, replace(POLICY, hold_out=0.2), people(many), Permissions(consents(many)), ORIGIN, USES, KEY
        )

        # five standard deviations of a binomial of 1,000 and 20 %
        assert abs(1000 - len(found.table) - 200) < 5 * np.sqrt(1000 * 0.2 * 0.8)

    def test_quiet_hours_close_the_phone(self) -> None:
        night = ORIGIN._replace(at=pd.Timestamp("2026-06-01T15:00Z"))
        with pytest.raises(NotEligible, match=r"0 people are left after .*outside quiet hours 0"):
            released(policy=replace(POLICY, channels=("sms",)), origin=night,
                     permissions=Permissions(consents(IDS, "sms"), quiet_hours=QuietHours()))  # fmt: skip


class TestChannelCaps:
    """A channel that somebody has had enough of is shut for that person alone."""

    def test_who_had_enough_on_one_is_written_to_on_another(self) -> None:
        both = pd.concat([consents(IDS), consents(IDS[:40], "sms")], ignore_index=True)
        had = pd.DataFrame({"email": [2, 2, 1], "call": [9, 9, 9]}, index=["c000", "c050", "c051"])
        permissions = Permissions(both, channel_contacts=had, channel_caps={"email": 2, "call": 1})

        found = released(permissions=permissions)

        assert dict(found.receipt.steps)["channel caps"] == 59
        # c000 consented to messages as well, c050 to e-mail alone
        assert found.table["channel"].value_counts().to_dict() == {"email": 58, "sms": 1}


class TestDelivery:
    """The same delivery has the same name, and no other has."""

    def test_it_is_the_same_at_any_time(self) -> None:
        first = released().receipt
        later = released(origin=ORIGIN._replace(at=NOW + DAY, by="li")).receipt

        assert first.delivery_id("ab") == later.delivery_id("ab")
        assert first.delivery_id("ab").startswith("young-drivers-3-")

    @pytest.mark.parametrize(
        "changed",
        [
            {"policy": replace(POLICY, destination="platform")},
            {"policy": replace(POLICY, channels=("sms", "email"))},
            {"policy": replace(POLICY, columns=("city",))},
            {"policy": replace(POLICY, floor=21)},
            {"policy": replace(POLICY, hold_out=0.01)},
            {"policy": replace(POLICY, match=("phone",)), "key": b""},
            {"permissions": Permissions(consents(IDS), contacts=pd.Series({"c003": 0}))},
            {"permissions": Permissions(consents(IDS), suppressions={"letters": ()})},
            {"origin": ORIGIN._replace(version=4)},
        ],
    )
    def test_anything_else_is_another(self, changed: dict[str, Any]) -> None:
        assert released(**changed).receipt.delivery_id("ab") != released().receipt.delivery_id("ab")

    def test_other_content_is_another(self) -> None:
        receipt = released().receipt

        assert receipt.delivery_id(content_sha256(people(), "x")) != receipt.delivery_id(
            content_sha256(people().assign(age=31), "x")
        )
        assert content_sha256(people(), "x") == content_sha256(people().astype({"city": "category"}), "y")


class TestFloor:
    """Nobody is told about alone."""

    def test_an_audience_below_it_is_refused(self) -> None:
        with pytest.raises(NotEligible, match="19 people are in the audience; at least 20 are needed"):
            released(IDS[:19])

    def test_what_the_checks_leave_below_it_is_refused(self) -> None:
        with pytest.raises(NotEligible, match="19 people are left after audience 60, still known 60, consent 19"):
            released(permissions=Permissions(consents(IDS[:19])))

    def test_nobody_at_all(self) -> None:
        with pytest.raises(NotEligible, match="0 people are in the audience"):
            released([])

    def test_it_cannot_be_lowered_to_single_people(self) -> None:
        with pytest.raises(SettingsError, match="the floor is 5; below 20"):
            released(policy=replace(POLICY, floor=5))


class TestColumns:
    """What a column may be used for is asked before it leaves."""

    def test_permitted_ones_leave_beside_a_pseudonym(self) -> None:
        table = released(policy=replace(POLICY, columns=("city", "segment_id"))).table

        assert list(table.columns) == ["pseudonym", "channel", "city", "segment_id"]
        assert sorted(table["pseudonym"]) == sorted(pseudonyms(IDS, KEY, "mail house"))

    def test_the_place_of_a_row_does_not_tell_who_it_is(self) -> None:
        assert released(policy=replace(POLICY, columns=("city",))).table["pseudonym"].is_monotonic_increasing

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            ("debt", "not 'marketing'"),
            ("age", "made of customers.birth_year.*it is protected and never leaves"),
            ("phone", "what it is made of is not known"),
            ("email", "what it is made of is not known"),
        ],
    )
    def test_others_are_refused(self, column: str, message: str) -> None:
        with pytest.raises(PurposeError, match=message):
            released(policy=replace(POLICY, columns=(column,)))

    @pytest.mark.parametrize("column", ["email", "customer_id"])
    def test_nobody_can_declare_a_name_harmless(self, column: str) -> None:
        with pytest.raises(PurposeError, match="says who a person is"):
            released(policy=replace(POLICY, columns=(column,)), uses=Uses({column: {"marketing"}}, {column: []}))

    def test_a_phone_is_personal_whatever_is_declared(self) -> None:
        with pytest.raises(PurposeError, match="personal data does not leave unmasked"):
            released(policy=replace(POLICY, columns=("phone",)), uses=Uses({"phone": {"marketing"}}, {"phone": []}))

    def test_an_absent_column_is_named(self) -> None:
        with pytest.raises(ContractError, match="column 'town' is missing; the people have"):
            released(policy=replace(POLICY, columns=("town",)))


class TestMatchFile:
    """Hashed contact keys and nothing else."""

    MATCH = replace(POLICY, match=("email", "phone"))

    def test_keys_are_those_of_the_published_rules(self) -> None:
        table = released(policy=self.MATCH, key=b"").table

        assert list(table.columns) == ["Email", "Phone"]
        assert set(table["Email"]) == {email_key(text) for text in people()["email"]}
        assert set(table["Phone"]) == {phone_key(text) for text in people()["phone"]}

    def test_people_without_a_key_and_shared_keys_are_steps(self) -> None:
        given_ = people()
        given_.loc[:4, "phone"] = None
        given_.loc[5:6, "phone"] = "13800000000"

        receipt = released(policy=replace(self.MATCH, match=("phone",)), people=given_).receipt

        assert [tuple(step) for step in receipt.steps[-3:]] == [
            ("with a contact key", 55), ("different keys", 54), ("written", 54)
        ]  # fmt: skip
        assert receipt.keys == (("Phone", 54),)

    def test_attributes_do_not_travel_with_them(self) -> None:
        with pytest.raises(SettingsError, match=r"holds contact keys alone, not \['city'\]"):
            released(policy=replace(self.MATCH, columns=("city",)))


@pytest.mark.parametrize(
    ("policy", "origin", "key", "message"),
    [
        (replace(POLICY, channels=()), ORIGIN, KEY, "name one or more of"),
        (replace(POLICY, channels=("fax",)), ORIGIN, KEY, "channels \\['fax'\\]"),
        (replace(POLICY, destination=" "), ORIGIN, KEY, "the receipt must name both"),
        (POLICY, ORIGIN._replace(by=""), KEY, "the receipt must name both"),
        (POLICY, ORIGIN, b"", "the key of the pseudonyms has 0 bytes"),
        (replace(POLICY, country="+86"), ORIGIN, KEY, "give a calling code"),
        (POLICY, ORIGIN._replace(at=NOW - 2 * DAY), KEY, "before the audience's as-of time"),
        (POLICY, ORIGIN._replace(at=pd.Timestamp("2026-06-01")), KEY, "has no time zone"),
    ],
)
def test_policies_that_cannot_be(policy: ReleasePolicy, origin: Origin, key: bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        released(policy=policy, origin=origin, key=key)


def test_repeated_members_are_refused() -> None:
    with pytest.raises(ContractError, match="members must be named, each once; 1 are not, such as 'c000'"):
        released([*IDS, "c000"])


most, few = st.sets(st.sampled_from(IDS), min_size=35), st.sets(st.sampled_from(IDS), max_size=8)


@settings(max_examples=40, deadline=None)
@given(granted=most, withdrawn=few, suppressed=few, blocked=few, tired=few, members=most)
def test_everybody_written_consented_and_is_not_suppressed(
    granted: set[str], withdrawn: set[str], suppressed: set[str], blocked: set[str], tired: set[str], members: set[str]
) -> None:
    permissions = Permissions(
        pd.concat([consents(sorted(granted)), consents(sorted(withdrawn), granted=False, at=NOW)], ignore_index=True),
        pd.DataFrame({"customer_id": sorted(blocked), "list": "court", "source": "register", "listed_at": NOW - DAY,
                      "until": pd.Series([pd.NaT] * len(blocked), dtype="datetime64[us, UTC]")}),
        contacts=pd.Series(3, index=sorted(tired), dtype="int64"),
        suppressions={"letters": suppressed},
    )  # fmt: skip
    may = members & granted - withdrawn - suppressed - blocked - tired

    if min(len(members), len(may)) < 20:
        with pytest.raises(NotEligible):
            released(sorted(members), permissions=permissions)
        return
    found = released(sorted(members), permissions=permissions)
    assert set(found.table["pseudonym"]) == set(pseudonyms(may, KEY, "mail house"))
    assert found.receipt.reconciled().written == len(may)
