"""Hand-overs of audiences: written down before and after, told truthfully when the record fails, quiet at night."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

from app import audience_exports, audiences
from app.audience_exports import SECRET_VARIABLE, ExportRequest, to_file, to_webhook
from app.audiences import Desk
from scenefit.contracts.errors import NotEligible, SettingsError, StoreError
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace
from segmentation.audience_files import writing

ASKED = ExportRequest("team", "partner", ("sms", "email"))


class Receiver(HTTPServer):
    """Takes messages on this machine and keeps them; `answers` false: it counts no rows."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Listener)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answers = True
        self.then: Callable[[], None] = lambda: None


class Listener(BaseHTTPRequestHandler):
    """One message."""

    server: Receiver

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.headers["Idempotency-Key"], message))
        self.server.then()
        body = json.dumps({"received": len(message["rows"])} if self.server.answers else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests look at the answers."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that takes everything."""
    monkeypatch.setenv(SECRET_VARIABLE, "s" * 32)
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def found(small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with an audience on a copy of the finished run."""
    monkeypatch.setattr(audience_exports, "PATIENCE", 0.2)
    desk = audiences.desk(Workspace(shutil.copytree(small_run, tmp_path / "w")))
    rule = audiences.read_rule(desk, "city_tier >= 2 and visits_90d >= 1")
    desk.store.save("team", rule, name_en="team", name_zh="队", by="mei", at=desk.at)
    return desk


def url(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/in"


def limited(found: Desk, **limits: object) -> Desk:
    """The desk with other limits."""
    changed = found.settings.limits.model_copy(update=limits)
    return replace(found, settings=found.settings.model_copy(update={"limits": changed}))


def awake(found: Desk) -> Desk:
    """The desk without quiet hours: the clock of the synthetic world stands at midnight."""
    return limited(found, quiet_from=0, quiet_until=0)


def events(found: Desk) -> list[str]:
    return [event for event in found.store.lineage("team")["event"] if event.startswith("export")]


def test_nothing_leaves_while_its_record_cannot_be_begun(found, tmp_path):
    with writing(found.store.folder), pytest.raises(StoreError, match="nothing was written"):
        to_file(found, ASKED, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert events(found) == []


def test_what_has_left_is_said_to_have_left_though_its_record_failed(found, tmp_path, monkeypatch):
    note, target = audience_exports._note, tmp_path / "out.csv"

    def busy(found: Desk, kind: str, *rest: Any) -> None:
        if kind != "export":
            return note(found, kind, *rest)
        with writing(found.store.folder):
            return note(found, kind, *rest)

    monkeypatch.setattr(audience_exports, "_note", busy)
    with pytest.raises(StoreError, match=r"it HAS been handed over, \d[\d,]* rows to out\.csv") as caught:
        to_file(found, ASKED, target)
    assert "do not hand it over again" in str(caught.value)
    assert target.exists()
    assert events(found) == ["export unfinished"]


def test_a_message_that_has_left_is_said_to_have_left(found, receiver):
    locks = []

    def seized() -> None:
        locks.append(writing(found.store.folder))
        locks[-1].__enter__()

    receiver.then = seized
    with pytest.raises(StoreError, match=r"it HAS been handed over, .* rows to 127\.0\.0\.1"):
        to_webhook(awake(found), ASKED, url(receiver))
    locks[0].__exit__(None, None, None)
    assert len(receiver.got) == 1
    assert events(found) == ["export unfinished"]


def test_a_file_that_could_not_be_written_is_no_unfinished_export(found, tmp_path):
    (tmp_path / "out.csv").write_text("here first")
    with pytest.raises(StoreError, match="is there already and stays"):
        to_file(found, ASKED, tmp_path / "out.csv")
    assert events(found) == ["export failed"]


def test_a_message_nobody_confirmed_stays_unfinished_until_it_is_sent_again(found, receiver):
    receiver.answers = False
    with pytest.raises(StoreError, match="did not say how many rows"):
        to_webhook(awake(found), ASKED, url(receiver))
    assert events(found) == ["export unfinished"]
    receiver.answers = True
    to_webhook(awake(found), ASKED, url(receiver))
    assert events(found) == ["export"]
    (first, _), (second, message) = receiver.got
    assert first == second == message["delivery_id"]


def test_other_columns_and_other_recipients_are_other_deliveries(found, receiver):
    asked = (ASKED, replace(ASKED, columns=("city_tier",)), replace(ASKED, destination="other"))
    for one in asked:
        to_webhook(awake(found), one, url(receiver))
    assert len({delivery for delivery, _ in receiver.got}) == 3
    # the same people under names that cannot be joined
    first, wider, other = ({row[0] for row in message["rows"]} for _, message in receiver.got)
    assert first == wider
    assert not first & other
    assert len(first) == len(other)


def test_at_night_messages_wait_and_files_do_not(found, receiver, tmp_path):
    hour = found.at.tz_convert(found.workspace.dataset().timezone).hour
    night = limited(found, quiet_from=hour, quiet_until=hour + 1)
    asked = replace(ASKED, channels=("sms",))
    with pytest.raises(NotEligible, match=r"outside quiet hours 0.*or send it outside quiet hours"):
        to_webhook(night, asked, url(receiver))
    assert not receiver.got
    assert "outside quiet hours" not in dict(to_file(night, asked, tmp_path / "a.csv").steps)
    assert dict(to_webhook(limited(found, quiet_from=hour + 1, quiet_until=hour), replace(asked, channels=("email",)),
                           url(receiver)).steps)["outside quiet hours"]  # fmt: skip


def test_without_a_secret_nothing_is_begun(found, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    with pytest.raises(SettingsError, match="the secret has 0 bytes"):
        to_webhook(found, ASKED, "https://example.org/in")
    assert events(found) == []


def test_channel_caps_are_those_of_the_settings(found, tmp_path, monkeypatch):
    monkeypatch.setenv("SCENEFIT_LIMITS__CONTACT_DAYS", "180")
    monkeypatch.setenv("SCENEFIT_LIMITS__CONTACTS", "1000")
    free = audiences.desk(found.workspace)
    with connect("1GB") as connection:
        raw_views(connection, found.workspace)
        sent = connection.execute(
            """SELECT customer_id, channel FROM events WHERE kind = 'sent' AND "at" >= $since""",
            {"since": found.at - pd.Timedelta(days=180)},
        ).df()
    channel = str(sent["channel"].mode()[0])
    had = sent[sent["channel"] == channel]["customer_id"].value_counts()
    tired = set(had[had >= 2].index)
    place = free.channels.index(channel)

    def on_channel(desk: Desk) -> set[str]:
        return set(desk.frame["customer_id"][desk.reach.open_channels[:, place]])

    monkeypatch.setenv("SCENEFIT_LIMITS__CHANNEL_CAPS", json.dumps({channel: 2}))
    capped = audiences.desk(found.workspace)
    assert on_channel(capped) == on_channel(free) - tired < on_channel(free)
    assert [gate.step for gate in capped.reach.gates if "caps" in gate.step] == ["channel caps"]
    assert "channel caps" not in [gate.step for gate in free.reach.gates]
    receipt = to_file(capped, replace(ASKED, channels=(channel,), floor=20), tmp_path / "out.csv")
    assert receipt.written == len(set(capped.store.members("team")) & on_channel(capped))
