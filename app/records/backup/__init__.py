"""Backup and restore of all records."""
