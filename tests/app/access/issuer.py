"""An identity provider on this machine: it signs tokens and publishes its keys over HTTP."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "fetalhead"
DISCOVERY = "/.well-known/openid-configuration"


class Issuer:
    """Its address is its name; `documents` maps a path to what is answered there."""

    def __init__(self, url: str, documents: dict[str, Any]) -> None:
        self.url = url
        self.asked: list[str] = []
        self._documents = documents
        self.rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec_key = ec.generate_private_key(ec.SECP256R1())
        self.describe()
        self.publish({"rsa": self.rsa_key, "ec": self.ec_key})

    def describe(self, **changes: Any) -> None:
        """Shows the configuration that clients discover, with these members changed."""
        self._documents[DISCOVERY] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **changes}

    def publish(self, keys: dict[str | None, Any]) -> None:
        """Shows these public keys, and no others."""
        public = []
        for key_id, key in keys.items():
            algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            named = {} if key_id is None else {"kid": key_id}
            public.append(algorithm.to_jwk(key.public_key(), as_dict=True) | named | {"use": "sig"})
        self.answer_with({"keys": public})

    def answer_with(self, document: Any) -> None:
        """Shows this where the keys are looked for; nothing at all for None."""
        self._documents["/keys"] = document

    def claims(self, **changes: Any) -> dict[str, Any]:
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "u-17", "exp": time.time() + 300, "iat": time.time()}
        claims |= {"roles": ["fetalhead-operator"], **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Any = None, algorithm: str = "RS256", key_id: str | None = "rsa", **changes: Any) -> str:
        signing = self.rsa_key if key is None else key
        return jwt.encode(self.claims(**changes), signing, algorithm, None if key_id is None else {"kid": key_id})


@contextmanager
def running_issuer(certificate: tuple[Path, Path] | None = None) -> Iterator[Issuer]:
    """An issuer that answers; with files of a certificate and its key, over TLS."""
    documents: dict[str, Any] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            document = documents.get(self.path)
            content = json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        scheme = "http" if certificate is None else "https"
        issuer = Issuer(f"{scheme}://127.0.0.1:{server.server_port}", documents)
        issuer.asked = asked
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
