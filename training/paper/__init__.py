"""The paper's comparison, rerun: every system trained, measured, tabulated and drawn by one command."""
