"""The running service: its queue, the served model, its upkeep and its server."""
