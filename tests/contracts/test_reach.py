"""Who may be contacted: consent, blocklists, cap, hold-out, one after the other."""

from __future__ import annotations

from datetime import date, time, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError, Infeasible, SettingsError
from scenefit.contracts.quiet import QuietHours, open_again, quiet
from scenefit.contracts.reach import Step, bucket, reachable

NOW = pd.Timestamp("2026-06-01T00:00Z")
DAY = pd.Timedelta(days=1)
TICK = pd.Timedelta(microseconds=1)
CHANNELS = ["push", "sms"]


def consents(*changes: tuple) -> pd.DataFrame:
    """Changes of consent: person, channel, granted, moment, end."""
    frame = pd.DataFrame(changes, columns=["customer_id", "channel", "granted", "at", "expires"])
    return frame.assign(purpose="marketing", expires=pd.to_datetime(frame["expires"], utc=True))


def blocks(*listings: tuple) -> pd.DataFrame:
    """Listings: person, moment, end."""
    frame = pd.DataFrame(listings, columns=["customer_id", "listed_at", "until"])
    return frame.assign(list="court", source="register", until=pd.to_datetime(frame["until"], utc=True))


def may(changes: pd.DataFrame, person: str = "a", **options: object) -> bool:
    """Whether one person may be contacted now."""
    return bool(reachable([person], CHANNELS, NOW, changes, hold_out=0, **options).mask[0])


def test_the_waterfall_by_hand() -> None:
    people = ["a", "b", "c", "d", "e"]
    changes = consents(*((p, "sms", True, NOW - DAY, None) for p in "abcd"), ("a", "push", True, NOW - DAY, None))

    found = reachable(
        people, CHANNELS, NOW, changes, blocks(("b", NOW - DAY, None)), np.array([0, 0, 3, 2, 0]), cap=3, hold_out=0
    )

    assert found.waterfall == (
        Step("all", 5), Step("consent", 4), Step("not blocked", 3), Step("contact cap", 2), Step("outside hold-out", 2),
    )  # fmt: skip
    assert found.mask.tolist() == [True, False, False, True, False]
    # a may be pushed, which comes first; whoever may not be contacted has no channel
    assert found.channel.tolist() == [0, -1, -1, 1, -1]


def test_absent_consents_say_so_and_let_everybody_pass() -> None:
    found = reachable(["a", "b"], CHANNELS, NOW, None, hold_out=0)

    assert found.waterfall[1] == Step("consent (not stated in the data)", 2)
    assert found.channel.tolist() == [0, 0]


def test_a_consents_table_without_rows_lets_nobody_pass() -> None:
    empty = consents(("a", "sms", True, NOW, None)).iloc[:0]

    assert reachable(["a", "b"], CHANNELS, NOW, empty).waterfall[1] == Step("consent", 0)


class TestConsent:
    """The latest change that is known counts."""

    def test_the_latest_change_wins(self) -> None:
        given_again = consents(("a", "sms", False, NOW - DAY, None), ("a", "sms", True, NOW, None))

        assert may(given_again)
        assert not may(given_again.assign(granted=[True, False]))

    def test_the_order_of_rows_does_not_matter(self) -> None:
        changes = consents(("a", "sms", True, NOW - DAY, None), ("a", "sms", False, NOW - 2 * DAY, None))

        assert may(changes)
        assert may(changes.iloc[::-1])

    def test_at_one_moment_the_withdrawal_wins(self) -> None:
        both = consents(("a", "sms", False, NOW - DAY, None), ("a", "sms", True, NOW - DAY, None))

        assert not may(both)
        assert not may(both.iloc[::-1])

    def test_what_happens_later_is_not_known_yet(self) -> None:
        assert may(consents(("a", "sms", True, NOW, None), ("a", "sms", False, NOW + TICK, None)))

    def test_expiry_is_exclusive(self) -> None:
        assert may(consents(("a", "sms", True, NOW - DAY, NOW + TICK)))
        assert not may(consents(("a", "sms", True, NOW - DAY, NOW)))

    def test_an_expired_consent_does_not_revive_an_older_one(self) -> None:
        assert not may(consents(("a", "sms", True, NOW - 2 * DAY, None), ("a", "sms", True, NOW - DAY, NOW)))

    def test_a_channel_is_permitted_by_itself(self) -> None:
        changes = consents(("a", "push", False, NOW - DAY, None), ("a", "sms", True, NOW - 2 * DAY, None))

        assert reachable(["a"], CHANNELS, NOW, changes, hold_out=0).channel.tolist() == [1]
        assert not may(consents(("a", "mail", True, NOW - DAY, None)))

    def test_consent_to_service_is_none_to_marketing(self) -> None:
        assert not may(consents(("a", "sms", True, NOW - DAY, None)).assign(purpose="service"))

    def test_leads_need_consent_of_their_own(self) -> None:
        changes = consents(("lead-1", "sms", True, NOW - DAY, None))

        assert may(changes, "lead-1")
        assert not may(changes, "lead-2")


class TestStops:
    """Blocklists and caps."""

    CONSENT = consents(("a", "sms", True, NOW - DAY, None))

    @pytest.mark.parametrize(
        ("listed", "until", "passes"),
        [
            (NOW - DAY, None, False),
            (NOW, None, False),
            (NOW + TICK, None, True),
            (NOW - DAY, NOW, True),
            (NOW - DAY, NOW + TICK, False),
        ],
    )
    def test_a_listing_stands_from_its_moment_until_before_its_end(
        self, listed: pd.Timestamp, until: pd.Timestamp | None, passes: bool
    ) -> None:
        assert may(self.CONSENT, blocklists=blocks(("a", listed, until))) is passes

    def test_one_standing_listing_of_several_stops(self) -> None:
        assert not may(self.CONSENT, blocklists=blocks(("a", NOW - DAY, NOW), ("a", NOW - DAY, None)))

    @pytest.mark.parametrize(("contacts", "passes"), [(2, True), (3, False), (4, False)])
    def test_the_cap_is_the_number_that_stops(self, contacts: int, passes: bool) -> None:
        assert may(self.CONSENT, contacts=np.array([contacts]), cap=3) is passes


class TestHoldOut:
    """A stable share of people is never contacted."""

    PEOPLE = tuple(f"C{i:06d}" for i in range(20_000))

    def test_its_share_is_the_one_asked_for(self) -> None:
        found = reachable(self.PEOPLE, CHANNELS, NOW, None, hold_out=0.05)

        held_out = len(self.PEOPLE) - found.waterfall[-1].customers
        # five standard deviations of a binomial of 20,000 and 5 %
        assert abs(held_out - 1000) < 5 * np.sqrt(20_000 * 0.05 * 0.95)

    def test_nobody_and_everybody(self) -> None:
        assert reachable(self.PEOPLE, CHANNELS, NOW, None, hold_out=0).mask.all()
        assert not reachable(self.PEOPLE, CHANNELS, NOW, None, hold_out=1).mask.any()

    def test_a_larger_hold_out_keeps_the_smaller_one(self) -> None:
        small, large = (reachable(self.PEOPLE, CHANNELS, NOW, None, hold_out=share).mask for share in (0.05, 0.1))

        assert not (large & ~small).any()

    def test_layers_are_independent(self) -> None:
        one, two = bucket(self.PEOPLE, "global hold-out"), bucket(self.PEOPLE, "campaign 7")

        # five standard errors of a correlation of 20,000 pairs
        assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(20_000)

    def test_long_salts_count_to_their_last_letter(self) -> None:
        assert bucket(["a"], "x" * 80 + "1") != bucket(["a"], "x" * 80 + "2")

    def test_known_buckets_never_move(self) -> None:
        # whoever changes these moves people in and out of running hold-outs
        assert bucket(["a", "b"], "global hold-out") == pytest.approx(
            [0.5849451561387048, 0.7417977149703386], abs=1e-15
        )

    @given(st.lists(st.text(max_size=8).filter(str.isprintable), min_size=1, max_size=20, unique=True), st.randoms())
    def test_a_bucket_depends_on_the_person_alone(self, people: list[str], random: object) -> None:
        mixed = people.copy()
        random.shuffle(mixed)

        first = dict(zip(people, bucket(people, "s"), strict=True))

        assert first == dict(zip(mixed, bucket(mixed, "s"), strict=True))
        assert all(0 <= number < 1 for number in first.values())

    def test_an_empty_salt_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="the salt is empty; name the layer"):
            bucket(["a"], "")


def test_no_objections_at_all_stop_nobody() -> None:
    none = pd.DataFrame({"customer_id": [], "channel": [], "at": pd.to_datetime([], utc=True)})

    for stated in (None, consents(("a", "sms", True, NOW - DAY, None))):
        assert may(stated, objections=none)


def test_an_objection_withdraws_its_channel_until_a_later_consent() -> None:
    as_of = pd.Timestamp("2026-06-01", tz="UTC")
    objections = pd.DataFrame(
        {
            "customer_id": ["b", "c", "d"],
            "channel": ["push", None, "push"],
            "at": pd.to_datetime(["2026-05-01"] * 3, utc=True).as_unit("us"),
        }
    )
    consents = pd.DataFrame(
        {
            "customer_id": [who for who in "abcd" for _ in range(2)],
            "purpose": "marketing",
            "channel": ["push", "sms"] * 4,
            "granted": True,
            "at": pd.to_datetime(["2026-01-01"] * 6 + ["2026-05-20", "2026-01-01"], utc=True).as_unit("us"),
            "expires": pd.Series([pd.NaT] * 8, dtype="datetime64[us, UTC]"),
        }
    )
    for stated in (consents, None):
        found = reachable(list("abcd"), ["push", "sms"], as_of, stated, hold_out=0.0, objections=objections)
        # a: free; b: not by push; c: not at all; d: consented again (where consents are stated)
        assert found.channel.tolist() == [0, 1, -1, 0 if stated is not None else 1]
        assert found.waterfall[2] == ("no objection", 3)


class TestSuppressions:
    """Lists of people to leave out, each a step of its own."""

    def test_each_list_is_a_step_by_its_name(self) -> None:
        lists = {"complaints": ["b"], "staff": {"c", "nobody here"}}

        found = reachable(list("abcd"), CHANNELS, NOW, None, hold_out=0, suppressions=lists)

        assert found.waterfall[3:5] == (Step("not on list: complaints", 3), Step("not on list: staff", 2))
        assert found.mask.tolist() == [True, False, False, True]

    def test_gates_speak_for_themselves_and_multiply_to_the_waterfall(self) -> None:
        lists = {"one": ["a", "b"], "two": ["b", "c"]}

        found = reachable(list("abcd"), CHANNELS, NOW, contacts=np.array([0, 0, 9, 9]), hold_out=0, suppressions=lists)

        assert [gate.step for gate in found.gates] == [step.step for step in found.waterfall[1:]]
        assert found.gates[2].passes.tolist() == [False, False, True, True]
        left = np.cumprod([gate.passes for gate in found.gates], axis=0).sum(axis=1)
        assert left.tolist() == [step.customers for step in found.waterfall[1:]]

    def test_each_gate_stops_only_whom_it_stops_itself(self) -> None:
        # a consents and objects, b never consented, c has had too many messages
        changes = consents(("a", "sms", True, NOW - DAY, None), ("c", "sms", True, NOW - DAY, None))
        objects = pd.DataFrame({"customer_id": ["a"], "channel": ["sms"], "at": [NOW]})

        found = reachable(
            list("abc"), ["sms"], NOW, changes, hold_out=0, objections=objects,
            channel_contacts=np.array([[9], [0], [9]]), channel_caps={"sms": 5},
        )  # fmt: skip

        stopped = {gate.step: (~gate.passes).tolist() for gate in found.gates}
        assert stopped["consent"] == [False, True, False]
        assert stopped["no objection"] == [True, False, False]
        assert stopped["channel caps"] == [False, False, True]
        assert not found.mask.any()


class TestChannels:
    """Reach is counted on each channel."""

    def test_a_person_counts_on_every_channel_that_is_open(self) -> None:
        changes = consents(
            ("a", "sms", True, NOW - DAY, None), ("a", "push", True, NOW - DAY, None), ("b", "sms", True, NOW, None)
        )
        blocked = blocks(("b", NOW, None))

        assert reachable(["a", "b"], CHANNELS, NOW, changes, hold_out=0).on_channel == (Step("push", 1), Step("sms", 2))
        found = reachable(["a", "b"], CHANNELS, NOW, changes, blocked, hold_out=0)
        assert found.on_channel == (Step("push", 1), Step("sms", 1))

    def test_consent_holds_for_the_purpose_asked_for(self) -> None:
        service = consents(("a", "sms", True, NOW - DAY, None)).assign(purpose="service")

        assert not may(service)
        assert may(service, purpose="service")

    def test_a_channel_at_its_cap_closes_and_the_next_one_serves(self) -> None:
        sent = np.array([[2, 0], [1, 5], [2, 5]])

        found = reachable(
            list("abc"), CHANNELS, NOW, None, hold_out=0, channel_contacts=sent, channel_caps={"push": 2, "sms": 5}
        )

        assert found.channel.tolist() == [1, 0, -1]
        assert Step("channel caps", 2) in found.waterfall
        assert found.on_channel == (Step("push", 1), Step("sms", 1))

    def test_caps_without_contacts_or_of_other_channels_are_refused(self) -> None:
        with pytest.raises(ContractError, match=r"need the contacts on each channel, \(1, 2\) numbers; given are none"):
            reachable(["a"], CHANNELS, NOW, None, channel_caps={"sms": 1})
        with pytest.raises(SettingsError, match=r"caps for \['fax'\]"):
            reachable(["a"], CHANNELS, NOW, None, channel_caps={"fax": 1})

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"hold_out": 1.5}, "hold_out is 1.5"),
            ({"contacts": np.zeros(3)}, "there are 1 people"),
        ],
    )
    def test_impossible_numbers_are_refused(self, options: dict, says: str) -> None:
        with pytest.raises((SettingsError, ContractError), match=says):
            reachable(["a"], CHANNELS, NOW, None, **options)

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="has no time zone"):
            reachable(["a"], CHANNELS, NOW.tz_localize(None), None)


def shanghai(text: str) -> pd.Timestamp:
    """A moment of the business clock."""
    return pd.Timestamp(text, tz="Asia/Shanghai").tz_convert("UTC")


class TestQuietHours:
    """Business time decides, over midnight too."""

    @pytest.mark.parametrize(
        ("clock", "is_quiet"),
        [("20:59:59.999999", False), ("21:00", True), ("23:59:59", True), ("00:00", True), ("07:59:59", True),
         ("08:00", False), ("12:00", False)],
    )  # fmt: skip
    def test_over_midnight_the_start_is_in_and_the_end_is_out(self, clock: str, is_quiet: bool) -> None:
        assert quiet(shanghai(f"2026-06-01 {clock}")) is is_quiet

    def test_hours_within_a_day(self) -> None:
        siesta = (time(13), time(15))

        found = [quiet(shanghai(f"2026-06-01 {clock}"), hours=siesta) for clock in ("12:59", "13:00", "14:59", "15:00")]

        assert found == [False, True, True, False]
        assert not quiet(NOW, hours=(time(9), time(9)))

    def test_the_zone_is_the_firms_not_utc(self) -> None:
        evening = pd.Timestamp("2026-06-01T13:30Z")

        assert quiet(evening)
        assert not quiet(evening, "UTC")

    def test_a_holiday_is_the_local_day(self) -> None:
        holiday = {date(2026, 10, 1)}
        noon, day_before = shanghai("2026-10-01 12:00"), shanghai("2026-09-30 20:00")

        assert quiet(noon, holidays=holiday)
        assert not quiet(day_before, holidays=holiday)
        # 18:00 UTC on the last day of September is 2 in the morning of the holiday there
        assert quiet(pd.Timestamp("2026-09-30T18:00Z"), hours=(time(0), time(0)), holidays=holiday)

    def test_when_contact_opens_again(self) -> None:
        assert open_again(shanghai("2026-06-01 23:00")) == shanghai("2026-06-02 08:00")
        assert open_again(shanghai("2026-06-02 01:00")) == shanghai("2026-06-02 08:00")
        week = {date(2026, 10, day) for day in range(1, 8)}
        assert open_again(shanghai("2026-09-30 22:00"), holidays=week) == shanghai("2026-10-08 08:00")
        assert open_again(shanghai("2026-10-02 12:00"), hours=(time(9), time(9)), holidays=week) == shanghai(
            "2026-10-08 00:00"
        )
        assert open_again(NOW) == NOW

    def test_a_calendar_without_a_working_day_is_refused(self) -> None:
        always = {date(2026, 6, 1) + timedelta(days=days) for days in range(100)}

        with pytest.raises(Infeasible, match="60 days after 2026-06-01 are all quiet"):
            open_again(shanghai("2026-06-01 12:00"), holidays=always)

    def test_unknown_zones_and_naive_moments_are_refused(self) -> None:
        with pytest.raises(SettingsError, match="no time zone 'Mars/Base'"):
            quiet(NOW, "Mars/Base")
        with pytest.raises(SettingsError, match="has no time zone"):
            quiet(pd.Timestamp("2026-06-01"))

    def test_ringing_channels_close_and_mail_stays(self) -> None:
        night = shanghai("2026-06-01 22:00")

        found = reachable(["a"], ["sms", "email"], night, None, hold_out=0, quiet_hours=QuietHours())
        only_sms = reachable(["a"], ["sms"], night, None, hold_out=0, quiet_hours=QuietHours())

        assert found.channel.tolist() == [1]
        assert Step("outside quiet hours", 1) in found.waterfall
        assert not only_sms.mask.any()
        by_day = reachable(["a"], ["sms"], shanghai("2026-06-01 12:00"), None, hold_out=0, quiet_hours=QuietHours())
        assert by_day.mask.all()
