import json
import logging

from app.monitoring.logs import JsonFormatter, TextFormatter


def record(error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("fetalhead", logging.INFO, "file.py", 1, "measured %d", (3,), info)
    made.__dict__["fields"] = {"verdict": "ok"}
    return made


def failure() -> ValueError:
    try:
        raise ValueError("Jane Doe")
    except ValueError as error:
        return error


def test_a_line_is_one_json_object() -> None:
    content = json.loads(JsonFormatter().format(record()))
    assert (content["level"], content["message"], content["verdict"]) == ("INFO", "measured 3", "ok")


def test_a_line_for_people() -> None:
    assert TextFormatter().format(record()).endswith("INFO    measured 3 verdict=ok")


def test_an_exception_is_logged_by_class_and_place_not_by_its_text() -> None:
    line = JsonFormatter().format(record(failure()))
    content = json.loads(line)
    assert content["exception"] == "ValueError"
    assert content["frames"][-1].endswith("failure")
    assert "Jane" not in line
