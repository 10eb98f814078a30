"""The page for people: its sources in `source`, what `make viewer` builds from them in `static`."""
