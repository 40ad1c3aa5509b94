// The story that the Postman collection, the Bruno folder and the .http file tell. build.mjs writes
// all three from it, so they cannot differ.
//
// A request has a name, a method, a path (`{id}` is replaced with the value of `id`) and an expected
// status. Optional: body; form (the fields of a form); csrf ("access", "refresh", or a literal value); bearer (a variable); code;
// is (members of the JSON and their values); cookies ("set", "cleared" or "none"); save (variables
// and the expressions that give their values, of the JSON as `body`); before (variables to set first).

const user = { username: "{{username}}", password: "{{password}}" };
const changed = { ...user, password: "{{new_password}}" };
const inBody = { tokens: "body" };
const client = { client_id: "{{client_id}}", client_secret: "{{client_secret}}" };
const tokens = { access_token: "body.access_token", refresh_token: "body.refresh_token" };

export const variables = {
  username: "ada",
  password: "correct horse battery",
  new_password: "staple battery horse",
};

/** Variables of the environment beside baseUrl. A folder that needs an empty one is skipped. */
// strict: not empty if the server runs with SESSION_REUSE_POLICY=strict.
export const environment = { admin_username: "admin", admin_password: "", client_id: "", client_secret: "", strict: "" };

export const folders = [
  {
    name: "Server",
    requests: [
      { name: "The server runs", method: "GET", path: "/health/live", status: 200 },
      { name: "The server is ready", method: "GET", path: "/health/ready", status: 200 },
      { name: "Public keys", method: "GET", path: "/.well-known/jwks.json", status: 200 },
      { name: "OpenAPI description", method: "GET", path: "/openapi.json", status: 200, is: { openapi: "3.1.0" } },
      { name: "Page with a login form", method: "GET", path: "/", status: 200 },
    ],
  },
  {
    name: "Log in with cookies",
    requests: [
      {
        name: "Register", method: "POST", path: "/register", body: user, status: 201,
        // A name of its own for each run, so that the story also runs on a used server.
        before: { username: '"ada-" + Date.now().toString(36)' },
        is: { username: "{{username}}" },
      },
      { name: "Register the same name again", method: "POST", path: "/register", body: user, status: 409, code: "username_taken" },
      { name: "Log in with a wrong password", method: "POST", path: "/login", body: changed, status: 401, code: "bad_credentials" },
      { name: "Log in", method: "POST", path: "/login", body: user, status: 200, is: { login: true }, cookies: "set" },
      { name: "Protected", method: "GET", path: "/protected", status: 200, is: { logged_in_as: "{{username}}" } },
      { name: "Account", method: "GET", path: "/account", status: 200, is: { username: "{{username}}" } },
      { name: "The user is logged in", method: "GET", path: "/session", status: 200, is: { state: "in", fresh: true }, cookies: "none" },
    ],
  },
  {
    name: "CSRF and refresh",
    requests: [
      { name: "Refresh without the CSRF token is denied", method: "POST", path: "/refresh", status: 401, code: "csrf_missing" },
      { name: "Refresh with a wrong CSRF token is denied", method: "POST", path: "/refresh", csrf: "wrong", status: 401, code: "csrf_mismatch" },
      { name: "Refresh", method: "POST", path: "/refresh", csrf: "refresh", status: 200, is: { refresh: true }, cookies: "set" },
      { name: "CSRF tokens, for a client that lost them", method: "GET", path: "/csrf", status: 200,
        is: { csrf_access_token: "{{csrf_access}}", csrf_refresh_token: "{{csrf_refresh}}" } },
      { name: "Protected after the refresh", method: "GET", path: "/protected", status: 200, is: { logged_in_as: "{{username}}" } },
    ],
  },
  {
    name: "Sessions",
    requests: [
      { name: "Log in on another device", method: "POST", path: "/login", body: { ...user, ...inBody }, status: 200, cookies: "none" },
      { name: "List the sessions", method: "GET", path: "/sessions", status: 200, is: { total: 2 },
        save: { session_id: "body.sessions.find((session) => !session.current).id" } },
      { name: "End the other session", method: "DELETE", path: "/sessions/{id}", id: "session_id", csrf: "access", status: 200 },
      { name: "End it again", method: "DELETE", path: "/sessions/{id}", id: "session_id", csrf: "access", status: 404, code: "session_not_found" },
      { name: "End all other sessions", method: "DELETE", path: "/sessions", csrf: "access", status: 200, is: { ended: 0 } },
    ],
  },
  {
    name: "Change the password",
    requests: [
      // A refreshed token is not fresh.
      { name: "A refreshed token is not enough", method: "POST", path: "/account/password", csrf: "access",
        body: { current_password: "{{password}}", new_password: "{{new_password}}" }, status: 401, code: "fresh_token_required" },
      { name: "Log in again", method: "POST", path: "/login", body: user, status: 200, cookies: "set" },
      { name: "With a wrong password", method: "POST", path: "/account/password", csrf: "access",
        body: { current_password: "not the password", new_password: "{{new_password}}" }, status: 403, code: "wrong_password" },
      { name: "With the right password", method: "POST", path: "/account/password", csrf: "access",
        body: { current_password: "{{password}}", new_password: "{{new_password}}" }, status: 200, cookies: "set" },
      { name: "The session goes on", method: "GET", path: "/protected", status: 200, is: { logged_in_as: "{{username}}" } },
    ],
  },
  {
    name: "Log out",
    requests: [
      { name: "Log out without the CSRF token is denied", method: "POST", path: "/logout", status: 401, code: "csrf_missing" },
      { name: "Log out", method: "POST", path: "/logout", csrf: "access", status: 200, is: { msg: "Logout Successful" }, cookies: "cleared" },
      { name: "Protected after the logout", method: "GET", path: "/protected", status: 401, code: "missing_token" },
      { name: "The user is logged out", method: "GET", path: "/session", status: 200, is: { state: "out" }, cookies: "none" },
    ],
  },
  {
    name: "Tokens in headers",
    requests: [
      // The server looks at cookies before headers.
      { name: "Clear the cookies", method: "GET", path: "/logout", status: 200, cookies: "cleared" },
      { name: "Log in for tokens in the body", method: "POST", path: "/login", body: { ...changed, ...inBody }, status: 200,
        is: { token_type: "Bearer" }, cookies: "none", save: tokens },
      { name: "Protected with a bearer token", method: "GET", path: "/protected", bearer: "access_token", status: 200, is: { logged_in_as: "{{username}}" } },
      { name: "A proxy asks whether to pass a request on", method: "GET", path: "/forward-auth", bearer: "access_token", status: 204 },
      { name: "Refresh with a bearer token", method: "POST", path: "/refresh", bearer: "refresh_token", status: 200, is: { refresh: true }, cookies: "none", save: tokens },
      { name: "Protected with the new token", method: "GET", path: "/protected", bearer: "access_token", status: 200, is: { logged_in_as: "{{username}}" } },
      { name: "Log out with a bearer token", method: "POST", path: "/logout", bearer: "access_token", status: 200 },
      { name: "The refresh token is revoked too", method: "POST", path: "/refresh", bearer: "refresh_token", status: 401, code: "session_revoked" },
    ],
  },
  {
    // By default a client may repeat a refresh that got no response.
    name: "Reuse of a refresh token",
    needs: "strict",
    requests: [
      { name: "Clear the cookies", method: "GET", path: "/logout", status: 200, cookies: "cleared" },
      { name: "Log in", method: "POST", path: "/login", body: { ...changed, ...inBody }, status: 200, save: { ...tokens, old_refresh_token: "body.refresh_token" } },
      { name: "Refresh", method: "POST", path: "/refresh", bearer: "refresh_token", status: 200, save: tokens },
      { name: "The old refresh token is denied", method: "POST", path: "/refresh", bearer: "old_refresh_token", status: 401, code: "refresh_token_reused" },
      { name: "The reuse ended the session", method: "GET", path: "/protected", bearer: "access_token", status: 401, code: "token_revoked" },
    ],
  },
  {
    name: "Admin",
    needs: "admin_password",
    requests: [
      { name: "Clear the cookies", method: "GET", path: "/logout", status: 200, cookies: "cleared" },
      { name: "Log in as a user", method: "POST", path: "/login", body: { ...changed, ...inBody }, status: 200, save: tokens },
      { name: "A user may not list users", method: "GET", path: "/admin/users", bearer: "access_token", status: 403, code: "admin_required" },
      { name: "Log in as an admin", method: "POST", path: "/login",
        body: { username: "{{admin_username}}", password: "{{admin_password}}", ...inBody }, status: 200, save: { admin_token: "body.access_token" } },
      { name: "Find the user", method: "GET", path: "/admin/users", query: "search={{username}}", bearer: "admin_token", status: 200,
        is: { total: 1 }, save: { user_id: "body.users[0].id" } },
      { name: "End the user's sessions", method: "DELETE", path: "/admin/users/{id}/sessions", id: "user_id", bearer: "admin_token", status: 200, is: { ended: 1 } },
      { name: "The user's token is revoked", method: "GET", path: "/protected", bearer: "access_token", status: 401, code: "token_revoked" },
      { name: "Disable the user", method: "PATCH", path: "/admin/users/{id}", id: "user_id", bearer: "admin_token", body: { disabled: true }, status: 200 },
      { name: "A disabled user cannot log in", method: "POST", path: "/login", body: changed, status: 401, code: "bad_credentials" },
      { name: "Enable the user", method: "PATCH", path: "/admin/users/{id}", id: "user_id", bearer: "admin_token", body: { disabled: false }, status: 200, is: { disabled_at: null } },
      { name: "Audit events of the user", method: "GET", path: "/admin/events", query: "user_id={{user_id}}", bearer: "admin_token", status: 200 },
      { name: "Log the admin out", method: "POST", path: "/logout", bearer: "admin_token", status: 200 },
    ],
  },
  {
    // What a service does, with the credentials of `tokenpair client add`.
    name: "Services",
    needs: "client_secret",
    requests: [
      { name: "Clear the cookies", method: "GET", path: "/logout", status: 200, cookies: "cleared" },
      { name: "Log in", method: "POST", path: "/login", body: { ...changed, ...inBody }, status: 200, save: tokens },
      { name: "The token is active", method: "POST", path: "/introspect", form: { token: "{{access_token}}", ...client }, status: 200,
        is: { active: true, username: "{{username}}", token_type: "Bearer" }, cookies: "none" },
      { name: "A refresh token is not an access token", method: "POST", path: "/introspect", form: { token: "{{refresh_token}}", ...client }, status: 200,
        is: { active: false } },
      { name: "A wrong secret is denied", method: "POST", path: "/introspect", form: { token: "{{access_token}}", ...client, client_secret: "wrong" }, status: 401,
        code: "invalid_client", is: { error: "invalid_client" } },
      { name: "Revoke the token", method: "POST", path: "/revoke", form: { token: "{{access_token}}", ...client }, status: 200 },
      { name: "The token is inactive", method: "POST", path: "/introspect", form: { token: "{{access_token}}", ...client }, status: 200, is: { active: false } },
      { name: "The session has ended", method: "POST", path: "/refresh", bearer: "refresh_token", status: 401, code: "session_revoked" },
    ],
  },
  {
    name: "Delete the account",
    requests: [
      { name: "Clear the cookies", method: "GET", path: "/logout", status: 200, cookies: "cleared" },
      { name: "Log in", method: "POST", path: "/login", body: { ...changed, ...inBody }, status: 200, save: tokens },
      { name: "Delete the account", method: "DELETE", path: "/account", bearer: "access_token", body: { password: "{{new_password}}" }, status: 200 },
      { name: "The account is gone", method: "GET", path: "/account", bearer: "access_token", status: 401, code: "token_revoked" },
    ],
  },
];
