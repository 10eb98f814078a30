"""What holds for all tests."""

from app.inference.telemetry import forbid_telemetry

forbid_telemetry()
