"""An app behind tokenpair: it has no login, no secret and no token library. The proxy says who sends each request.

    pip install flask
    flask --app app run --port 5000

Start tokenpair and nginx as docs/forward-auth.md says, and open http://127.0.0.1:8000/app/notes.
The app must listen where only the proxy can reach it.
"""

from flask import Blueprint, Flask, abort, g, jsonify, request

app = Flask(__name__)
notes = Blueprint("notes", __name__, url_prefix="/app")

# Your database.
NOTES = {}


@notes.before_request
def know_the_user():
    # WSGI hands headers on as Latin-1 (PEP 3333); the name is UTF-8.
    name = request.headers.get("Remote-User", "").encode("latin-1").decode()
    if not name:
        abort(500, "The proxy has to send Remote-User: see deploy/nginx/forward-auth.conf")
    g.user = name
    g.roles = request.headers.get("Remote-Groups", "").split(",")


@notes.get("/notes")
def list_notes():
    return jsonify(user=g.user, notes=NOTES.get(g.user, []))


@notes.post("/notes")
def add_note():
    body = request.get_json()
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        abort(400, 'Send JSON such as {"text": "Buy milk"}')
    NOTES.setdefault(g.user, []).append(body["text"])
    return jsonify(notes=NOTES[g.user]), 201


# Routes that still use @jwt_required() of Flask-JWT-Extended stay outside of /app/ until they move.
app.register_blueprint(notes)
