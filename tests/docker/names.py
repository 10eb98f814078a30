"""The name server that containers of one network have at 127.0.0.11, for names that all lead to 127.0.0.1."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable

ADDRESS = ("127.0.0.11", 53)
HEADER = struct.Struct("!HHHHHH")
QUESTION = struct.Struct("!HH")
ANSWER = struct.Struct("!HHHIH4s")
A_RECORD, INTERNET, SECONDS = 1, 1, 5
KNOWN, UNKNOWN = 0x8580, 0x8583
"""Flags of an answer with authority, and of one that says that there is no such name."""


def serve_names(names: Iterable[str]) -> None:
    """Answer questions for these names in the background, until the process ends."""
    known = frozenset(names)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(ADDRESS)

    def serve() -> None:
        while True:
            question, asker = server.recvfrom(512)
            server.sendto(_answer(question, known), asker)

    threading.Thread(target=serve, name="names", daemon=True).start()


def _answer(query: bytes, known: frozenset[str]) -> bytes:
    number = HEADER.unpack_from(query)[0]
    name, end = _name(query)
    kind, _ = QUESTION.unpack_from(query, end)
    question = query[HEADER.size : end + QUESTION.size]
    if name not in known:
        return HEADER.pack(number, UNKNOWN, 1, 0, 0, 0) + question
    if kind != A_RECORD:
        return HEADER.pack(number, KNOWN, 1, 0, 0, 0) + question
    pointer = 0xC000 | HEADER.size
    address = ANSWER.pack(pointer, A_RECORD, INTERNET, SECONDS, 4, socket.inet_aton("127.0.0.1"))
    return HEADER.pack(number, KNOWN, 1, 1, 0, 0) + question + address


def _name(query: bytes) -> tuple[str, int]:
    """The name that is asked for, and where its end lies."""
    labels, at = [], HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    return ".".join(labels), at + 1
