"""Measuring many files: find them, measure each by this machine or by a service, write what came of each."""
