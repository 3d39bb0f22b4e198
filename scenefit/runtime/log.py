"""Structured log: one JSON object per line to a file or stderr; never a customer's data."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# what may identify a person never reaches a log line
MASKED = frozenset(("phone", "email", "address", "text", "device_id", "value_hash", "lat", "lon"))


def configure(level: str = "warning") -> None:
    """Log from `level` on to stderr. Called once, by the entry point."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger(room: str) -> Any:
    """A logger that names its room."""
    return structlog.get_logger(room=room)


def _mask(_logger: object, _method: str, event: Any) -> Any:
    return {name: "***" if name in MASKED else value for name, value in event.items()}
