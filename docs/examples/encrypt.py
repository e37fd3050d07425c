#!/usr/bin/env python3
"""Encrypts an initiation message to an equipment's public key (JWE compact, RFC 7516).

    python3 encrypt.py https://EQUIPMENT/.well-known/jwks.json < message.json > message.jose
    curl --header 'Content-Type: application/jose' --data-binary @message.jose https://EQUIPMENT/v1/calls

Needs jwcrypto: `apt install python3-jwcrypto`, or `pip install jwcrypto`.
"""
import json
import sys
import time
import urllib.request
import uuid

from jwcrypto import jwe, jwk


def encrypt(message: bytes, keys: str, curve: str) -> str:
    published = jwk.JWKSet.from_json(keys)
    key = next(key for key in published if curve in (key.get("crv"), key.get("kty")))
    header = {
        "alg": "RSA-OAEP-256" if key.get("kty") == "RSA" else "ECDH-ES",
        "enc": "A256GCM",
        "kid": key.get("kid"),
        "iat": int(time.time()),
        "jti": str(uuid.uuid4()),
    }
    token = jwe.JWE(message, protected=json.dumps(header), recipient=key)
    return token.serialize(compact=True)


if __name__ == "__main__":
    with urllib.request.urlopen(sys.argv[1]) as answer:
        keys = answer.read().decode()
    curve = sys.argv[2] if len(sys.argv) > 2 else "P-256"
    print(encrypt(sys.stdin.buffer.read(), keys, curve), end="")
