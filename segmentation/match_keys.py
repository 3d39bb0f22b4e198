"""What a person is called outside: contact keys as advertising platforms match them, and keyed pseudonyms.

Contact keys follow the rules published for Google's Data Manager API and Customer Match ("Format user data"): an
e-mail address loses its whitespace and becomes lower-case, at gmail.com and googlemail.com it also loses the dots and
the `+…` of its local part, and nowhere else; a phone number takes its E.164 form; the UTF-8 bytes of the result go
through SHA-256 and are written in lower-case hexadecimal digits. Postal code and country are not hashed there, and are
not exported here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable

from scenefit.contracts.errors import SettingsError

# as long as the digest: a shorter key weakens it (RFC 2104, section 3)
LEAST_KEY = 32
DOTLESS = frozenset(("gmail.com", "googlemail.com"))
CHINA = "86"

_EMAIL = re.compile(r"[^@]+@[^@.]+(\.[^@.]+)+")
_INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}")
# a Chinese mobile number with its country code but without the plus sign
_CHINESE_MOBILE = re.compile(r"861[0-9]{10}")
_SPACING = re.compile(r"[\s().\-‐‑‒–—−/·]+")


def email_key(address: str | None) -> str | None:
    """The key under which platforms match an e-mail address; None when it is no address.

    >>> email_key(" Example@GMail.com")
    '264e53d93759bde067fd01ef2698f98d1253c730d12f021116f02eebcfa9ace6'
    """
    plain = plain_email(address)
    return None if plain is None else sha256(plain)


def phone_key(number: str | None, country: str = CHINA) -> str | None:
    """The key under which platforms match a phone number; None when it is no number.

    Parameters
    ----------
    country : calling code of numbers written without one

    >>> phone_key("+1 (212) 565-0000")
    'd360a79e746532a6a1e7b8164440b04cdd8797e23126f7a4de7a4b67fdcdba98'
    """
    plain = e164(number, country)
    return None if plain is None else sha256(plain)


def plain_email(address: str | None) -> str | None:
    """The address as it is hashed.

    >>> plain_email("cloudy.sanfrancisco+shopping@gmail.com"), plain_email("user.name+NYC@Example.com")
    ('cloudysanfrancisco@gmail.com', 'user.name+nyc@example.com')
    """
    if not isinstance(address, str):
        return None
    plain = "".join(address.split()).lower()
    if not _EMAIL.fullmatch(plain) or _invisible(plain):
        return None
    local, _, domain = plain.rpartition("@")
    if domain in DOTLESS:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local else None


def e164(number: str | None, country: str = CHINA) -> str | None:
    """The number with plus sign and country code, digits alone.

    A number without `+` or `00` is one of `country`; the zero of its trunk prefix is dropped. Masked numbers,
    extensions and anything else that is not one number give None.

    >>> e164("(800)555-0100", "1"), e164("138 0013 8000"), e164("0571-8888 8888"), e164("138****8000")
    ('+18005550100', '+8613800138000', '+8657188888888', None)
    """
    if not isinstance(number, str):
        return None
    # full-width digits are digits as well
    digits = _SPACING.sub("", unicodedata.normalize("NFKC", number))
    if digits.startswith("+"):
        whole = digits[1:]
    elif digits.startswith("00"):
        whole = digits[2:]
    elif country == CHINA and _CHINESE_MOBILE.fullmatch(digits):
        whole = digits
    else:
        whole = country + digits.removeprefix("0")
    return f"+{whole}" if _INTERNATIONAL.fullmatch(whole) else None


def sha256(text: str) -> str:
    """Hexadecimal SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()


def pseudonyms(customers: Iterable[str], key: bytes, destination: str) -> list[str]:
    """Names that only who holds the key can lead back to customers, others for every destination.

    HMAC-SHA256 of the id, hexadecimal, under a key of the destination's own, which is the HMAC-SHA256 of its name
    under the secret: two recipients cannot join their files, and one key undone does not undo the others.

    Parameters
    ----------
    destination : who receives them; white space around it does not count

    Raises
    ------
    SettingsError : the key is empty or short.
    """
    if len(key) < LEAST_KEY:
        raise SettingsError(
            f"pseudonyms: the key has {len(key)} bytes; give {LEAST_KEY} random bytes or more and keep them secret, "
            "else ids can be guessed and tried"
        )
    own = hmac.digest(key, destination.strip().encode("utf8", "surrogatepass"), "sha256")
    start = hmac.new(own, digestmod="sha256")
    return [_digest(start, customer) for customer in customers]


def _digest(start: hmac.HMAC, text: str) -> str:
    one = start.copy()
    one.update(text.encode("utf8", "surrogatepass"))
    return one.hexdigest()


def _invisible(text: str) -> bool:
    return any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") for letter in text)
