"""The paper's comparison, rerun: one command trains, measures, tabulates and draws every system."""
