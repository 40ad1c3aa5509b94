"""The Flask application that `examples/flask_flow.rs` is compared with: the real Flask-JWT-Extended, from the same variables.

Run with JWT_SECRET_KEY, PORT and any other JWT_* setting in the environment; it listens on 127.0.0.1.

Flask-JWT-Extended has no text form of its settings; the one used here is this project's: lists with commas, `true` and `false`,
times in seconds or as 15m, 2h, 30d, `false` for never, keys as PEM or, with _FILE after the name, as the path of a file.

`reissue` below is the recipe of its documentation without what goes wrong in it: the recipe sets new cookies on the very answer
that logs out or already sets some, runs for tokens that did not come by cookie, makes an access token of a refresh token that
came in the access cookie, and fails with a 500 where the settings refuse what they make. Left as it is: identity alone is
copied, and with a lifetime under the window every answer gives a token.
"""

import os
import re
from datetime import datetime, timedelta, timezone

import waitress
from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    get_jwt_request_location,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_access_cookies,
    unset_jwt_cookies,
)
from jwt import InvalidTokenError

REISSUE_WITHIN = timedelta(minutes=30)


def text(value):
    return value


def items(value):
    return [item.strip() for item in value.split(",") if item.strip()]


def one_or_more(value):
    """One audience is written as a string, several as a list."""
    found = items(value)
    return found[0] if len(found) == 1 else found


def truth(value):
    return {"true": True, "false": False}[value]


def seconds(value):
    number, unit = re.fullmatch(r"(\d+)([smhd]?)", value).groups()
    return int(number) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def lifetime(value):
    return False if value == "false" else timedelta(seconds=seconds(value))


READERS = {
    "JWT_ACCESS_TOKEN_EXPIRES": lifetime,
    "JWT_REFRESH_TOKEN_EXPIRES": lifetime,
    "JWT_DECODE_LEEWAY": seconds,
    "JWT_TOKEN_LOCATION": items,
    "JWT_CSRF_METHODS": items,
    "JWT_DECODE_ALGORITHMS": items,
    "JWT_ENCODE_AUDIENCE": one_or_more,
    "JWT_DECODE_AUDIENCE": one_or_more,
    "JWT_COOKIE_CSRF_PROTECT": truth,
    "JWT_COOKIE_SECURE": truth,
    "JWT_CSRF_CHECK_FORM": truth,
    "JWT_CSRF_IN_COOKIES": truth,
    "JWT_ENCODE_NBF": truth,
    "JWT_SESSION_COOKIE": truth,
    "JWT_VERIFY_SUB": truth,
}

# Empty is a value for these: a token without a word before it.
MAY_BE_EMPTY = {"JWT_HEADER_TYPE", "JWT_QUERY_STRING_VALUE_PREFIX"}


def settings(environment):
    """The settings among the variables, as Flask-JWT-Extended wants them."""
    found = {"JWT_TOKEN_LOCATION": ["headers", "cookies"]}
    for name, value in environment.items():
        if not name.startswith("JWT_") or (value == "" and name not in MAY_BE_EMPTY):
            continue
        if name.endswith("_FILE"):
            with open(value, encoding="utf-8") as file:
                found[name.removesuffix("_FILE")] = file.read()
        else:
            found[name] = READERS.get(name, text)(value)
    return found


app = Flask(__name__)
app.config.update(settings(os.environ))
jwt = JWTManager(app)


@jwt.token_in_blocklist_loader
def is_blocked(_header, claims):
    return claims["jti"] == "blocked-jti"


@jwt.token_verification_loader
def is_verified(_header, claims):
    return claims.get("verify_me") != "no"


@app.after_request
def reissue(response):
    if response.status_code >= 400 or "Set-Cookie" in response.headers:
        return response
    if get_jwt_request_location() != "cookies":
        return response
    claims = get_jwt()
    if claims["type"] == "refresh" or "exp" not in claims:
        return response
    if int(claims["exp"]) < (datetime.now(timezone.utc) + REISSUE_WITHIN).timestamp():
        token = create_access_token(identity=get_jwt_identity())
        try:
            set_access_cookies(response, token)
        except InvalidTokenError:
            response.headers.remove("Set-Cookie")
    return response


@app.post("/login")
def login():
    body = request.get_json(silent=True) if request.is_json else None
    if not isinstance(body, dict):
        return jsonify(msg="Missing JSON in request"), 400
    username = body.get("username")
    password = body.get("password")
    if not username:
        return jsonify(msg="Missing username parameter"), 400
    if not password:
        return jsonify(msg="Missing password parameter"), 400
    if username != "test" or password != "test":
        return jsonify(msg="Bad username or password"), 401
    access_token = create_access_token(identity=username, fresh=True)
    refresh_token = create_refresh_token(identity=username)
    response = jsonify(login=True, access_token=access_token, refresh_token=refresh_token)
    set_access_cookies(response, access_token)
    set_refresh_cookies(response, refresh_token)
    return response


@app.route("/protected", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@jwt_required()
def protected():
    # Nobody is asked for a token on OPTIONS, so there is nobody to name.
    return jsonify(logged_in_as=None if request.method == "OPTIONS" else get_jwt_identity())


@app.route("/optional", methods=["GET", "POST"])
@jwt_required(optional=True)
def optional():
    return jsonify(logged_in_as=get_jwt_identity(), location=get_jwt_request_location())


@app.route("/fresh", methods=["GET", "POST"])
@jwt_required(fresh=True)
def fresh():
    return jsonify(logged_in_as=get_jwt_identity())


@app.route("/any_type", methods=["GET", "POST"])
@jwt_required(verify_type=False)
def any_type():
    return jsonify(type=get_jwt()["type"])


@app.get("/headers_only")
@jwt_required(locations=["headers"])
def headers_only():
    return jsonify(logged_in_as=get_jwt_identity())


@app.get("/skip_revocation")
@jwt_required(skip_revocation_check=True)
def skip_revocation():
    return jsonify(logged_in_as=get_jwt_identity())


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():
    access_token = create_access_token(identity=get_jwt_identity())
    response = jsonify(refresh=True, access_token=access_token)
    set_access_cookies(response, access_token)
    return response


@app.route("/logout", methods=["GET", "POST"])
def logout():
    response = jsonify(msg="Logout Successful")
    unset_jwt_cookies(response)
    return response


@app.post("/logout_access")
def logout_access():
    response = jsonify(msg="Logout Successful")
    unset_access_cookies(response)
    return response


if __name__ == "__main__":
    waitress.serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
