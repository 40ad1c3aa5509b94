"""Log in, a protected route, refresh and log out with Flask-JWT-Extended: CSRF values and a reissue, no rotation, no revocation."""

import os
from datetime import datetime, timedelta, timezone

from flask import Flask, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)

app = Flask(__name__)
app.config["JWT_TOKEN_LOCATION"] = ["cookies"]
app.config["JWT_COOKIE_SAMESITE"] = "Lax"
app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=1)
JWTManager(app)


@app.after_request
def reissue(response):
    try:
        soon = datetime.now(timezone.utc) + timedelta(minutes=30)
        if soon.timestamp() > get_jwt()["exp"]:
            set_access_cookies(response, create_access_token(get_jwt_identity()))
    except (RuntimeError, KeyError):
        pass  # a request without a token
    return response


@app.post("/login")
def login():
    if (request.json["username"], request.json["password"]) != ("ada", "correct horse"):
        return jsonify(msg="Bad username or password"), 401
    response = jsonify(login=True)
    set_access_cookies(response, create_access_token("ada", fresh=True))
    set_refresh_cookies(response, create_refresh_token("ada"))
    return response


@app.get("/protected")
@jwt_required()
def protected():
    return jsonify(logged_in_as=get_jwt_identity())


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh():
    response = jsonify(refresh=True)
    set_access_cookies(response, create_access_token(get_jwt_identity()))
    return response


@app.post("/logout")
def logout():
    response = jsonify(logout=True)
    unset_jwt_cookies(response)
    return response


if __name__ == "__main__":
    app.run(port=8080)
