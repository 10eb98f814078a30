"""Measurement of many files on this machine or by a service, with their results and tables."""
