"""What operators see: Prometheus metrics and structured logs, without anything of a patient."""
