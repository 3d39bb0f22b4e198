"""One customer's features at once, from the online store; and the refresh that brings them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import pandas as pd

from feature_repo.definition import OnDemand, View
from feature_repo.entities import CUSTOMER
from feature_repo.history import newest_snapshot, snapshot_sql
from feature_repo.online_open import open_online
from feature_repo.online_rows import MICROSECOND, StoredRow, entity_key, python_values
from feature_repo.refresh import Materialized, refresh
from feature_repo.services import SERVICES
from feature_repo.store import only_writer
from feature_repo.views import VIEWS
from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.runtime.workspace import Workspace

# beyond this the snapshot files are faster, and they do not keep a server from deciding
MOST_AT_ONCE = 100


class OnlineValue(NamedTuple):
    """One feature as served, and the event time of its row; both None when there is none within the TTL."""

    value: object
    event_time: pd.Timestamp | None


NOTHING = OnlineValue(None, None)


def materialize(
    workspace: Workspace, time: pd.Timestamp, *, memory_limit: str = "2GB", threads: int = 1
) -> dict[str, Materialized]:
    """Bring every online view up to its newest snapshot at or before `time`; what was done, by view.

    Only rows that changed are written, and some unchanged ones whose stored event time grows old. What is online is
    remembered in feast/online of the workspace; a store that lost its rows, or another store, is loaded whole.
    Views that are fed by a stream are left to `push`.

    Raises
    ------
    StoreError : no such snapshot within the TTL, something newer is online, the store does not answer, or what was
        written cannot be read back.
    """
    views = [view for view in VIEWS.values() if view.online and not view.stream]
    # all are looked up before the first is written
    snapshots = {
        view: (snapshot_sql(workspace, view.name, time), newest_snapshot(workspace, view.name, time).instant)
        for view in views
    }
    online = open_online(workspace, views, memory_limit=memory_limit, threads=threads)
    done = {}
    for view, (query, instant) in snapshots.items():
        done[view.name] = refresh(
            workspace, online[view.name], query, instant, memory_limit=memory_limit, threads=threads
        )
        with only_writer(online[view.name].feast):
            online[view.name].record(instant)
    return done


class Reader:
    """Reads single customers online and keeps the store open between reads; threads may share it.

    Parameters
    ----------
    workspace : its settings name the store
    """

    def __init__(self, workspace: Workspace) -> None:
        self._end = workspace.dataset().until
        self._views = open_online(workspace, [view for view in VIEWS.values() if view.online])

    def read(
        self,
        customer_id: str,
        service: str = "serving_v1",
        at: pd.Timestamp | None = None,
        request: Mapping[str, float | None] | None = None,
    ) -> dict[str, OnlineValue]:
        """One customer's features by name, each with its event time.

        Feast serves values however old; here a value older than its view's TTL is None.

        Parameters
        ----------
        at : the moment of the decision (a server passes its clock); None stands for the end of the data, as it was
            when the reader was opened
        request : what the caller brings along for features computed on demand, which are left out without it; their
            event time is that of the oldest value they are made of

        Raises
        ------
        SettingsError : the service is unknown or has views that are not online; `at` has no time zone.
        ContractError : the request lacks a value, or holds one the service does not ask for.
        StoreError : the online store does not answer.
        """
        answer = self.read_some([customer_id], service, at)[0]
        if request is not None:
            foreign = sorted(set(request) - set(SERVICES[service].request))
            if foreign:
                raise ContractError(
                    f"online read of {service}: {foreign} are no request values; stored features cannot be brought "
                    f"along. The service takes {SERVICES[service].request}"
                )
            for part in SERVICES[service].on_demand:
                answer.update(_computed(part, answer, request))
        return answer

    def read_some(
        self, customer_ids: Sequence[str], service: str = "serving_v1", at: pd.Timestamp | None = None
    ) -> list[dict[str, OnlineValue]]:
        """Stored features of up to 100 customers, in order.

        Raises
        ------
        SettingsError : more customers than that; an audience is read from the snapshots.
        """
        if len(customer_ids) > MOST_AT_ONCE:
            raise SettingsError(
                f"online read: {len(customer_ids):,} customers in one call, at most {MOST_AT_ONCE} are served; read an "
                f"audience offline with feature_repo.history.as_of(time, {service!r}, workspace)"
            )
        moment = self._end if at is None else at
        if moment.tz is None:
            raise SettingsError(f"online read at {moment}: has no time zone; give one such as 2026-01-01T00:00+00:00")
        at_us = moment.value // 1000
        served: list[dict[str, OnlineValue]] = [{} for _ in customer_ids]
        keys = [entity_key([CUSTOMER.key], [customer_id]) for customer_id in customer_ids]
        for view in _online_views(service):
            stored = self._views[view.name].read(keys, view.names) if keys else []
            for answer, row in zip(served, stored, strict=True):
                answer.update(_served(row, view, at_us))
        return served

    def close(self) -> None:
        """Close the store's connections."""
        for view in self._views.values():
            view.store.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(
    workspace: Workspace, customer_id: str, service: str = "serving_v1", *, at: pd.Timestamp | None = None
) -> dict[str, OnlineValue]:
    """One customer's features, read once; who reads often keeps a `Reader`.

    Raises
    ------
    SettingsError : the service is unknown or has views that are not online.
    StoreError : the online store does not answer.
    """
    _online_views(service)
    with Reader(workspace) as reader:
        return reader.read(customer_id, service, at)


def _served(row: StoredRow | None, view: View, at_us: int) -> dict[str, OnlineValue]:
    # whole microseconds: arithmetic of Timestamps takes longer than the rest of a read
    if row is None or not 0 <= at_us - row.event_us <= view.ttl // MICROSECOND:
        return dict.fromkeys(view.names, NOTHING)
    event_time = pd.Timestamp(row.event_us, unit="us", tz="UTC")
    values = python_values(row.values)
    return {name: OnlineValue(values.get(name), event_time) for name in view.names}


def _computed(
    part: OnDemand, answer: Mapping[str, OnlineValue], request: Mapping[str, float | None]
) -> dict[str, OnlineValue]:
    """Features made of served values, so that what is too old is missing here as well."""
    names = [name for view in part.sources for name in view.names]
    stored: dict[str, Any] = {name: [answer[name].value] for name in names}
    values = part.values(stored | {name: [value] for name, value in request.items()})
    moments = [moment for name in names if (moment := answer[name].event_time) is not None]
    return {name: OnlineValue(values[name][0], min(moments, default=None)) for name in part.names}


def _online_views(service: str) -> tuple[View, ...]:
    known = SERVICES.get(service)
    if known is None or not all(view.online and view.keys == [CUSTOMER.key] for view in known.views):
        online = sorted(
            name for name, other in SERVICES.items()
            if all(view.online and view.keys == [CUSTOMER.key] for view in other.views)
        )  # fmt: skip
        raise SettingsError(f"feature service {service!r} is not served online; choose one of {online}")
    return known.views
