"""A released table to one address, signed, once whatever the network does, with an answer that must agree."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime.delivery import Delivered, safe_cells

LEAST_SECRET = 32
LOOPBACK = "127.0.0.1"
# one message is held in memory on both sides
MOST_BYTES = 64 * 2**20
ANSWER_BYTES = 64 * 1024
TIMESTAMP, SIGNATURE, ONCE = "X-Scenefit-Timestamp", "X-Scenefit-Signature", "Idempotency-Key"


class Endpoint(NamedTuple):
    """Where to send, and the secret both sides know. Attempts after the first wait 1, 2, 4 … times `pause` seconds."""

    url: str
    secret: bytes
    timeout: float = 10.0
    attempts: int = 3
    pause: float = 1.0

    @property
    def host(self) -> str:
        """The host alone; empty for what is no address."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def shown(self) -> str:
        """The address without what may be secret in it: query and password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{parts.path}"


def post(
    table: pd.DataFrame,
    endpoint: Endpoint,
    delivery_id: str,
    at: datetime,
    receipt: Mapping[str, object],
    sleep: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Send a table as one signed message; the receiver must say that it took every row.

    The body is JSON: `delivery_id`, `receipt`, `columns`, `rows`. `X-Scenefit-Signature` is `v1=` and the hexadecimal
    HMAC-SHA256 of the timestamp, a full stop and the body. Every attempt carries the same `Idempotency-Key`, so that
    a receiver can tell a repetition. Only lost connections and answers of 500 and above are tried again; nothing is
    redirected. The answer is a JSON object in which `received` is the number of rows.

    Parameters
    ----------
    delivery_id : the same for the same content, recipient and policy, so that sending it again is no second delivery
    at : moment of sending, which the signature covers

    Raises
    ------
    SettingsError : the address is not https (127.0.0.1 excepted), or the secret is short.
    StoreError : the receiver refused, could not be reached or counted other rows.
    ContractError : the table is empty, too large for one message, or holds what JSON cannot.
    """
    _sensible(endpoint, delivery_id, at)
    cells = safe_cells(table, endpoint.shown)
    if not cells.data.num_rows:
        raise ContractError(f"{endpoint.shown}: the table has no rows, so nothing is sent")
    body = _body(cells.data.to_pydict(), delivery_id, receipt)
    if len(body) > MOST_BYTES:
        raise ContractError(
            f"{endpoint.shown}: {len(body):,} bytes are more than one message carries ({MOST_BYTES:,}); export a file"
        )
    # only https and 127.0.0.1 come this far
    request = urllib.request.Request(  # noqa: S310
        endpoint.url, body, _headers(body, endpoint.secret, delivery_id, at)
    )
    answer = _answer(request, endpoint, sleep)
    reference = _reconciled(answer, cells.data.num_rows, endpoint)
    digest = hashlib.sha256(body).hexdigest()
    return Delivered(endpoint.host, "webhook", cells.data.num_rows, digest, len(body), cells.disarmed, reference)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What the receiver computes as well, to see that the message is ours and unchanged.

    >>> signature(b"k" * 32, "1767225600", b"{}")[:11]
    'v1=ae489515'
    """
    return "v1=" + hmac.new(secret, timestamp.encode("ascii") + b"." + body, "sha256").hexdigest()


def checked(endpoint: Endpoint) -> Endpoint:
    """The endpoint itself, once its address and secret will do.

    Raises
    ------
    SettingsError : the address is not https (127.0.0.1 excepted), or the secret is short.
    """
    try:
        parts = urlsplit(endpoint.url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"webhook: the address cannot be read ({error}); give https://host/path") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and host == LOOPBACK):
        raise SettingsError(
            f"webhook: {parts.scheme or 'no scheme'} is not safe; give an https address (http for {LOOPBACK} alone)"
        )
    if not host or parts.username or parts.password or not endpoint.url.isascii() or not endpoint.url.isprintable():
        raise SettingsError("webhook: the address needs a host, no user and plain letters; give https://host/path")
    if len(endpoint.secret) < LEAST_SECRET:
        raise SettingsError(
            f"webhook: the secret has {len(endpoint.secret)} bytes; give {LEAST_SECRET} random bytes or more"
        )
    if endpoint.timeout <= 0 or endpoint.attempts < 1 or endpoint.pause < 0:
        raise SettingsError(
            f"webhook: timeout {endpoint.timeout:g} s, {endpoint.attempts} attempts; both must be above 0"
        )
    return endpoint


def _sensible(endpoint: Endpoint, delivery_id: str, at: datetime) -> None:
    checked(endpoint)
    if not delivery_id.isascii() or not delivery_id.isprintable() or not delivery_id.strip():
        raise SettingsError(f"webhook: the delivery id {delivery_id!r} cannot be sent; give plain letters and digits")
    if at.tzinfo is None:
        raise SettingsError(f"webhook: the moment {at} has no time zone; give it in UTC")


def _body(columns: Mapping[str, list[Any]], delivery_id: str, receipt: Mapping[str, object]) -> bytes:
    rows = list(zip(*columns.values(), strict=True))
    message = {"delivery_id": delivery_id, "receipt": dict(receipt), "columns": list(columns), "rows": rows}
    # moments as ISO 8601, money as the text of its digits
    return json.dumps(message, ensure_ascii=False, allow_nan=False, default=_written).encode("utf8")


def _written(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _headers(body: bytes, secret: bytes, delivery_id: str, at: datetime) -> dict[str, str]:
    timestamp = str(int(at.timestamp()))
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "scenefit",
        TIMESTAMP: timestamp,
        SIGNATURE: signature(secret, timestamp, body),
        ONCE: delivery_id,
    }


class _Refusing(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirect could carry people's data to a stranger."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,  # noqa: ARG002 - the signature is urllib's
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        raise urllib.error.HTTPError(req.full_url, code, f"redirects to {urlsplit(newurl).hostname}", headers, fp)


def _answer(request: urllib.request.Request, endpoint: Endpoint, sleep: Callable[[float], None]) -> bytes:
    """What the receiver said, after as many attempts as it took."""
    # a proxy must not see what never leaves this machine
    inside = [urllib.request.ProxyHandler({})] if urlsplit(endpoint.url).hostname == LOOPBACK else []
    opener = urllib.request.build_opener(_Refusing, *inside)
    problem = ""
    for attempt in range(endpoint.attempts):
        if attempt:
            sleep(endpoint.pause * 2 ** (attempt - 1))
        try:
            with opener.open(request, timeout=endpoint.timeout) as response:
                return response.read(ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            problem = f"answered {error.code} ({error.reason})"
            error.close()
            if error.code < 500:
                raise StoreError(
                    f"{endpoint.shown}: {problem}, which is final; nothing counts as delivered. Check address, secret "
                    "and what the receiver expects"
                ) from error
        except (OSError, HTTPException) as error:
            problem = f"could not be reached ({getattr(error, 'reason', None) or error or type(error).__name__})"
    raise StoreError(
        f"{endpoint.shown}: {problem} in {endpoint.attempts} attempts; send it again later under the same delivery id"
    )


def _reconciled(answer: bytes, rows: int, endpoint: Endpoint) -> str:
    """The receiver's reference, once it counted as many rows as were sent."""
    try:
        said = json.loads(answer)
    except ValueError:
        said = None
    received = said.get("received") if isinstance(said, dict) else None
    if received is None or isinstance(received, bool) or received != rows:
        counted = "did not say how many rows it took" if received is None else f"took {received!r} of {rows:,} rows"
        raise StoreError(
            f'{endpoint.shown}: the receiver {counted}; it must answer {{"received": {rows}}}. Clear it up there, '
            "then send again under the same delivery id"
        )
    return str(said.get("reference", ""))[:200]
