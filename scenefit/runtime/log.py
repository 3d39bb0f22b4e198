"""Structured log: one JSON object per line to a file or stderr; never a customer's data."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from scenefit.contracts.errors import SettingsError

# what may identify a person never reaches a log line
MASKED = frozenset(("phone", "email", "address", "text", "device_id", "value_hash", "lat", "lon", "by"))


def configure(level: str = "warning") -> None:
    """Log from `level` on to stderr. Called once, by the entry point.

    Raises
    ------
    SettingsError : no such level.
    """
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise SettingsError(f"log level {level!r} is unknown; choose one of {sorted(levels)}")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(levels[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger(room: str) -> Any:
    """A logger that names its room."""
    return structlog.get_logger(room=room)


def _mask(_logger: object, _method: str, event: Any) -> Any:
    return _masked(event)


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: "***" if name in MASKED else _masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value
