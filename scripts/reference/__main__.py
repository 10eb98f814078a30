"""Write the reference pages, or check that they are up to date."""

from __future__ import annotations

import argparse
import sys

from scripts.reference import DOCS, outdated


def main() -> int:
    """Return 1 where `--check` found pages that are out of date, else 0."""
    parser = argparse.ArgumentParser(prog="reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is out of date")
    check = parser.parse_args().check
    pages = outdated()
    for path, text in pages.items():
        print(f"{'out of date' if check else 'written'}: {path.relative_to(DOCS.parent)}")
        if not check:
            path.write_text(text, encoding="utf-8")
    return 1 if check and pages else 0


if __name__ == "__main__":
    sys.exit(main())
