"""What holds for all tests."""

from app.inference.runtime.telemetry import forbid_telemetry

forbid_telemetry()
