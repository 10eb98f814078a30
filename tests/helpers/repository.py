"""Where the repository lies, whatever the working directory."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
