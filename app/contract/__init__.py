"""What the service answers and stores, defined once: the report, the volumes, the answers of the service."""
