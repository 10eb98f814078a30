"""Structured logging. A line holds codes, numbers and identifiers, never what a client sent.

Log with `log.info("message", extra={"fields": {...}})`. Exceptions are logged by class and place, not by their text:
a library's message may quote the file that it failed on.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

ROOT_LOGGER = "fetalhead"


class JsonFormatter(logging.Formatter):
    """A formatter that writes one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return json.dumps(_collect_fields(record), default=str)


class TextFormatter(logging.Formatter):
    """A formatter that writes plain lines for people at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        content = _collect_fields(record)
        head = f"{content.pop('at')} {content.pop('level'):7} {content.pop('message')}"
        return " ".join([head, *(f"{name}={value}" for name, value in content.items())])


def configure_logging(level: str, log_format: str) -> None:
    """Send the log lines of the service and of the web server to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    for name in (ROOT_LOGGER, "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return the class and place of an exception, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"exception": type(error).__qualname__, "frames": places}


def _collect_fields(record: logging.LogRecord) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    content: dict[str, Any] = {"at": moment, "level": record.levelname, "message": record.getMessage()}
    fields = getattr(record, "fields", None)
    if isinstance(fields, Mapping):
        content.update(fields)
    if record.exc_info and record.exc_info[1] is not None:
        content.update(describe_exception(record.exc_info[1]))
    return content
