"""Verifies tokens with what a server publishes, and nothing else.

Standard input is a JSON list of {"keys": URL, "token": text}; standard output a list of each token's header and claims.
"""

import json
import sys

import jwt


def verified(keys, token):
    key = jwt.PyJWKClient(keys).get_signing_key_from_jwt(token)
    # The algorithm is the key's own, not the token's.
    return jwt.decode_complete(token, key, algorithms=[key.algorithm_name])


found = [verified(entry["keys"], entry["token"]) for entry in json.load(sys.stdin)]
json.dump([{"header": one["header"], "payload": one["payload"]} for one in found], sys.stdout)
