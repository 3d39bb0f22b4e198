"""One signed message, delivered once, answered with the number of rows."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime.webhook import Endpoint, post

SECRET = b"0123456789abcdef0123456789abcdef"
AT = pd.Timestamp("2026-06-01T04:00Z")
TABLE = pd.DataFrame({"pseudonym": ["aa", "bb"], "city": ["杭州", "=1"], "share": [0.5, None], "seen": [AT, AT]})
TAKEN = (200, {}, b'{"received": 2, "reference": "batch 9"}')


class Receiver(ThreadingHTTPServer):
    """Answers as told, one answer after the other, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.seen: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Listener)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/audiences?token=hush"


class Listener(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((dict(self.headers), body))
        code, headers, answer = self.server.answers.pop(0)
        if code == 0:
            self.connection.close()
            return
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(answer))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the console."""

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            # the connection was cut on purpose
            self.close_connection = True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on this machine."""
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sent(receiver: Receiver, *answers: tuple[int, dict[str, str], bytes], table: pd.DataFrame = TABLE) -> Any:
    receiver.answers = list(answers)
    endpoint = Endpoint(receiver.url, SECRET, timeout=5, attempts=3)
    return post(table, endpoint, "young-drivers/3/7", AT, {"written": 2}, sleep=lambda _: None)


def test_the_message_is_signed_and_complete(receiver: Receiver) -> None:
    written = sent(receiver, TAKEN)

    headers, body = receiver.seen[0]
    stamp = headers["X-Scenefit-Timestamp"]
    assert stamp == str(int(AT.timestamp()))
    signed = hmac.new(SECRET, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Scenefit-Signature"] == f"v1={signed}"
    assert headers["Idempotency-Key"] == "young-drivers/3/7"
    assert json.loads(body) == {
        "delivery_id": "young-drivers/3/7",
        "receipt": {"written": 2},
        "columns": ["pseudonym", "city", "share", "seen"],
        "rows": [["aa", "杭州", 0.5, "2026-06-01T04:00:00+00:00"], ["bb", "'=1", None, "2026-06-01T04:00:00+00:00"]],
    }
    assert (written.target, written.form, written.rows, written.reference) == ("127.0.0.1", "webhook", 2, "batch 9")
    assert (written.sha256, written.disarmed) == (hashlib.sha256(body).hexdigest(), 1)


@pytest.mark.parametrize("trouble", [(500, {}, b""), (503, {}, b"busy"), (0, {}, b"")])
def test_trouble_on_the_way_is_tried_again_with_the_same_key(receiver: Receiver, trouble: Any) -> None:
    assert sent(receiver, trouble, trouble, TAKEN).rows == 2

    assert {headers["Idempotency-Key"] for headers, _ in receiver.seen} == {"young-drivers/3/7"}
    assert len({body for _, body in receiver.seen}) == 1
    assert len(receiver.seen) == 3


def test_after_the_last_attempt_it_gives_up(receiver: Receiver) -> None:
    with pytest.raises(StoreError, match=r"answered 502 \(Bad Gateway\) in 3 attempts; send it again later") as caught:
        sent(receiver, *[(502, {}, b"")] * 3)

    assert "hush" not in str(caught.value)
    assert len(receiver.seen) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 409, 429])
def test_a_refusal_is_final(receiver: Receiver, code: int) -> None:
    with pytest.raises(StoreError, match=f"answered {code} .* which is final; nothing counts as delivered"):
        sent(receiver, (code, {}, b""), TAKEN)

    assert len(receiver.seen) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["http://elsewhere.example/x", "/same"])
def test_a_redirect_is_not_followed(receiver: Receiver, code: int, target: str) -> None:
    with pytest.raises(StoreError, match=f"answered {code} .*which is final"):
        sent(receiver, (code, {"Location": target}, b""), TAKEN)

    assert len(receiver.seen) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'{"received": 1}', "took 1 of 2 rows"),
        (b'{"received": true}', "took True of 2 rows"),
        (b'{"received": "2"}', "took '2' of 2 rows"),
        (b"{}", "did not say how many rows it took"),
        (b"[2]", "did not say how many rows it took"),
        (b"thank you", "did not say how many rows it took"),
        (b"", "did not say how many rows it took"),
    ],
)
def test_an_answer_that_does_not_agree_is_no_delivery(receiver: Receiver, answer: bytes, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        sent(receiver, (200, {}, answer))


def test_nobody_listening() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits: list[float] = []

    with pytest.raises(StoreError, match=r"could not be reached .* in 3 attempts"):
        post(TABLE, Endpoint(f"http://127.0.0.1:{port}/", SECRET), "d", AT, {}, sleep=waits.append)

    assert waits == [1.0, 2.0]


def test_a_receiver_that_never_answers() -> None:
    with closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(StoreError, match=r"could not be reached \(timed out\) in 1 attempts"):
            post(TABLE, Endpoint(url, SECRET, timeout=0.2, attempts=1), "d", AT, {})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/x", "http is not safe; give an https address"),
        ("http://localhost/x", "http is not safe"),
        ("http://127.0.0.1.example.com/x", "http is not safe"),
        ("file:///etc/passwd", "file is not safe"),
        ("example.com", "no scheme is not safe"),
        ("https://user:word@example.com/", "no user and plain letters"),
        ("https:///x", "needs a host"),
        ("https://ex\u00e4mple.com/", "plain letters"),
        ("https://example.com/\r\nX: y", "plain letters"),
        ("https://example.com:port/", "cannot be read"),
    ],
)
def test_addresses_that_are_refused(url: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        post(TABLE, Endpoint(url, SECRET), "d", AT, {})


@pytest.mark.parametrize(
    ("changes", "identity", "at", "message"),
    [
        ({"secret": b"short"}, "d", AT, "the secret has 5 bytes; give 32 random bytes or more"),
        ({"timeout": 0}, "d", AT, "both must be above 0"),
        ({"attempts": 0}, "d", AT, "both must be above 0"),
        ({}, " ", AT, "the delivery id ' ' cannot be sent"),
        ({}, "a\nb", AT, "cannot be sent"),
        ({}, "d", pd.Timestamp("2026-06-01"), "has no time zone"),
    ],
)
def test_settings_that_are_refused(changes: dict[str, Any], identity: str, at: pd.Timestamp, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        post(TABLE, Endpoint("https://example.com/x", SECRET)._replace(**changes), identity, at, {})


def test_an_empty_table_is_not_sent() -> None:
    with pytest.raises(ContractError, match="no rows, so nothing is sent"):
        post(TABLE.iloc[:0], Endpoint("https://example.com/x", SECRET), "d", AT, {})
