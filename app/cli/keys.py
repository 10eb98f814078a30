"""`fetalhead keys`: make, list and revoke API keys."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta

from app.access.errors import KeyFileError
from app.access.keys import KeyFile
from app.access.roles import ROLE_WORDS, Role
from app.console import Commands
from app.settings import Settings


def add_keys(commands: Commands) -> None:
    """Add `keys add`, `list` and `revoke` to the commands."""
    actions = commands.add_parser("keys", help="the API keys").add_subparsers(required=True, metavar="ACTION")

    add = actions.add_parser("add", help="make a key and print it, once")
    add.add_argument("name", metavar="NAME", help="who will use it; the audit trail names it")
    add.add_argument("--role", choices=ROLE_WORDS, default=Role.OPERATOR.word)
    add.add_argument("--days", type=int, metavar="DAYS", help="days of validity; by default the key never expires")
    add.add_argument("--json", action="store_true", help="print one JSON object")
    add.set_defaults(command=_add)

    listing = actions.add_parser("list", help="list the keys: name, role, fingerprint, last day")
    listing.add_argument("--json", action="store_true", help="print one JSON object per key")
    listing.set_defaults(command=_list)

    revoke = actions.add_parser("revoke", help="revoke keys at once")
    revoke.add_argument("key", metavar="NAME", help="the holder's name (revokes all their keys), or a fingerprint")
    revoke.add_argument("--json", action="store_true", help="print one JSON object")
    revoke.set_defaults(command=_revoke)


def _add(options: argparse.Namespace, settings: Settings) -> int:
    last_day = None if options.days is None else datetime.now(UTC).date() + timedelta(days=options.days)
    key = _file(settings).add(options.name, Role[options.role.upper()], last_day)
    print(json.dumps({"name": options.name, "role": options.role, "key": key}) if options.json else key)
    return 0


def _list(options: argparse.Namespace, settings: Settings) -> int:
    for key in _file(settings).read():
        last_day = None if key.expires is None else key.expires.isoformat()
        content = {"name": key.name, "role": key.role.word, "fingerprint": key.fingerprint, "expires": last_day}
        if options.json:
            print(json.dumps(content | {"expired": key.expired}))
        else:
            validity = "" if last_day is None else f"  {'expired' if key.expired else 'until'} {last_day}"
            print(f"{key.name:24} {key.role.word:8} {key.fingerprint}{validity}")
    return 0


def _revoke(options: argparse.Namespace, settings: Settings) -> int:
    revoked = _file(settings).revoke(options.key)
    print(json.dumps({"revoked": revoked}) if options.json else f"{revoked} keys revoked")
    return 0 if revoked else 1


def _file(settings: Settings) -> KeyFile:
    if settings.api_keys_file is None:
        raise KeyFileError("FETALHEAD_API_KEYS_FILE is not set: it names the file that holds the keys.")
    return KeyFile(settings.api_keys_file)
