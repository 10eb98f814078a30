"""Prometheus metrics and structured logs for operators, without patient data."""
