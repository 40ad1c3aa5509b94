// Walks through the API with the client that @hey-api/openapi-ts made: as a browser with cookies, and as a program with tokens.
// The client checks every response with Zod, and rejects one that is not as described.
import { strict as assert } from "node:assert";
import { client } from "./client/client.gen.js";
import * as api from "./client/sdk.gen.js";
import { zBodyGrant, zCookieGrant, zGrant } from "./client/zod.gen.js";

const baseUrl = process.argv[2];
const username = `ada-${Date.now().toString(36)}`;
const password = "blue kettle in winter";
client.setConfig({ baseUrl, throwOnError: true });

// Node's fetch keeps no cookies.
const jar = new Map<string, string>();
let useCookies = true;
client.interceptors.request.use((request) => {
  if (useCookies && jar.size > 0) {
    request.headers.set("Cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    const csrf = request.url.endsWith("/refresh") ? "csrf_refresh_token" : "csrf_access_token";
    request.headers.set("X-CSRF-TOKEN", jar.get(csrf) ?? "");
  }
  return request;
});
client.interceptors.response.use((response) => {
  for (const line of response.headers.getSetCookie()) {
    const [name, value] = line.split(";")[0].split(/=(.*)/);
    if (value) jar.set(name, value);
    else jar.delete(name);
  }
  return response;
});

async function walkWithCookies() {
  const registered = await api.register({ body: { username, password } });
  assert.equal(registered.data?.username, username);
  const login = await api.logIn({ body: { username, password } });
  assert.deepEqual(zCookieGrant.parse(login.data), login.data);
  assert.equal(login.data?.login, true);
  assert(!("access_token" in login.data));
  assert.equal((await api.getProtected()).data?.logged_in_as, username);
  const refreshed = await api.refreshTokens();
  assert.deepEqual(zGrant.parse(refreshed.data), refreshed.data);
  assert.equal(refreshed.data?.refresh, true);
  assert.equal((await api.getCsrfTokens()).data?.csrf_access_token, jar.get("csrf_access_token"));
  const sessions = await api.listSessions({ query: { per_page: 10 } });
  assert.deepEqual([sessions.data?.total, sessions.data?.sessions[0].current], [1, true]);
  assert.deepEqual((await api.getAccount()).data?.roles, []);
  await api.logOut();
  assert.equal([...jar.keys()].filter((name) => name.includes("token")).length, 0);
}

/** Answers the client only where it asks for a bearer token: it would put the token into cookies too. */
const bearer = (token: string) => (way: { scheme?: string }) => (way.scheme === "bearer" ? token : undefined);

async function walkWithTokens() {
  useCookies = false;
  const login = await api.logIn({ body: { username, password, tokens: "body" } });
  const first = zBodyGrant.parse(login.data);
  assert.deepEqual(first, login.data);
  const refreshed = zBodyGrant.parse((await api.refreshTokens({ auth: bearer(first.refresh_token) })).data);
  assert.notEqual(refreshed.access_token, first.access_token);
  const auth = bearer(refreshed.access_token);
  assert.equal((await api.getProtected({ auth })).data?.logged_in_as, username);
  assert.equal((await api.getAccount({ auth })).data?.username, username);
  await assert.rejects(
    api.changePassword({ auth, body: { current_password: password, new_password: "green lantern at noon" } }),
    (problem: { code: string }) => problem.code === "fresh_token_required",
  );
  const fresh = zBodyGrant.parse((await api.logIn({ body: { username, password, tokens: "body" } })).data);
  const changed = await api.changePassword({
    auth: bearer(fresh.access_token),
    body: { current_password: password, new_password: "green lantern at noon" },
  });
  const latest = zBodyGrant.parse(changed.data);
  assert.equal(latest.msg, "Password changed");
  const deleted = await api.deleteAccount({ auth: bearer(latest.access_token), body: { password: "green lantern at noon" } });
  assert.equal(deleted.data?.msg, "Account deleted");
}

async function readTheRest() {
  assert.equal((await api.getLiveness()).data?.status, "live");
  assert.equal((await api.getReadiness()).data?.status, "ready");
  assert.deepEqual((await api.getPublicKeys()).data?.keys, []);
  await assert.rejects(
    api.logIn({ body: { username, password: "wrong" } }),
    (problem: { code: string; msg: string }) => problem.code === "bad_credentials",
  );
}

await walkWithCookies();
await walkWithTokens();
await readTheRest();
