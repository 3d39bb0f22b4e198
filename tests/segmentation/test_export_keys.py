"""Contact keys as platforms publish them, and pseudonyms nobody can guess."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import SettingsError
from segmentation.match_keys import e164, email_key, phone_key, plain_email, pseudonyms

KEY = bytes(range(32))


class TestEmail:
    """The published rule: no whitespace, lower-case, and dots and plus signs of Gmail alone."""

    @pytest.mark.parametrize(
        ("written", "hashed"),
        [
            ("example@gmail.com", "example@gmail.com"),
            ("  Example@GMail.COM\n", "example@gmail.com"),
            ("cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
            ("a.b@googlemail.com", "ab@googlemail.com"),
            ("user.name+NYC@Example.com", "user.name+nyc@example.com"),
            ("a.b@mail.gmail.com", "a.b@mail.gmail.com"),
            ("user name@example.com", "username@example.com"),
            ("张三@例子.公司", "张三@例子.公司"),
        ],
    )
    def test_the_form_that_is_hashed(self, written: str, hashed: str) -> None:
        assert plain_email(written) == hashed
        assert email_key(written) == hashlib.sha256(hashed.encode("utf8")).hexdigest()

    def test_known_digests(self) -> None:
        # the first stands in a published question on Customer Match (2015)
        assert email_key("example@gmail.com") == "264e53d93759bde067fd01ef2698f98d1253c730d12f021116f02eebcfa9ace6"
        assert email_key("test@example.com") == "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"

    @pytest.mark.parametrize(
        "written",
        [None, "", "  ", "nobody", "a@b", "@example.com", "a@@example.com", "a@.com", "+x@gmail.com", "...@gmail.com",
         "a\u200bb@example.com", "a@example.com\x00", 7, float("nan")],
    )  # fmt: skip
    def test_what_is_no_address_has_no_key(self, written: object) -> None:
        assert email_key(written) is None


class TestPhone:
    """E.164: plus sign, country code, at most fifteen digits."""

    @pytest.mark.parametrize(
        ("written", "country", "hashed"),
        [
            ("(800)555-0100", "1", "+18005550100"),
            ("+1 212 565 0000", "86", "+12125650000"),
            ("0044 20 7031 3000", "86", "+442070313000"),
            ("13800138000", "86", "+8613800138000"),
            ("138-0013-8000", "86", "+8613800138000"),
            ("8613800138000", "86", "+8613800138000"),
            ("＋８６ １３８ ００１３ ８０００", "86", "+8613800138000"),
            ("0571 8888 8888", "86", "+8657188888888"),
            ("020 7031 3000", "44", "+442070313000"),
        ],
    )
    def test_the_form_that_is_hashed(self, written: str, country: str, hashed: str) -> None:
        assert e164(written, country) == hashed
        assert phone_key(written, country) == hashlib.sha256(hashed.encode()).hexdigest()

    def test_known_digests(self) -> None:
        assert phone_key("+12125650000") == "d360a79e746532a6a1e7b8164440b04cdd8797e23126f7a4de7a4b67fdcdba98"

    @pytest.mark.parametrize(
        "written",
        [None, "", "138****8000", "12345x6789", "555-0100 ext. 7", "+", "+0123456789", "1" * 20, "12", "一三八", 138],
    )
    def test_what_is_no_number_has_no_key(self, written: object) -> None:
        assert phone_key(written) is None

    @given(st.text(max_size=24))
    def test_any_text_gives_a_number_or_nothing(self, text: str) -> None:
        found = e164(text)

        assert found is None or (found[0] == "+" and found[1:].isascii() and found[1:].isdigit() and len(found) <= 16)


class TestPseudonyms:
    """HMAC-SHA256 of the id under a key derived from the caller's for each destination."""

    def test_they_are_the_digest_under_the_destinations_key(self) -> None:
        own = hmac.new(KEY, "邮局".encode(), hashlib.sha256).digest()

        assert pseudonyms(["c1", "人"], KEY, "邮局") == [
            hmac.new(own, text.encode(), hashlib.sha256).hexdigest() for text in ("c1", "人")
        ]

    def test_another_key_gives_other_names(self) -> None:
        assert pseudonyms(["c1"], KEY, "x") != pseudonyms(["c1"], bytes(32), "x")

    def test_two_recipients_cannot_join_their_files(self) -> None:
        ids = [f"c{i}" for i in range(100)]
        mail, platform = pseudonyms(ids, KEY, "mail house"), pseudonyms(ids, KEY, "platform")

        assert not set(mail) & set(platform)
        assert mail == pseudonyms(ids, KEY, " mail house\n")

    @pytest.mark.parametrize("key", [b"", b"short", bytes(31)])
    def test_a_short_key_is_refused(self, key: bytes) -> None:
        with pytest.raises(SettingsError, match=rf"the key has {len(key)} bytes; give 32 random bytes or more"):
            pseudonyms(["c1"], key, "x")
