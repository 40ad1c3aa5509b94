// Writes the Postman collection and environments, the Bruno folder and requests.http from story.mjs.
//
//   node postman/build.mjs                      writes the files
//   node postman/build.mjs --check              fails if a file is not what it would write
//   node postman/build.mjs --routes FILE        fails if the files call other routes than FILE, an OpenAPI description
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { environment, folders, variables } from "./story.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const servers = { local: "http://127.0.0.1:8080", compose: "http://localhost:8080" };
const json = (value) => JSON.stringify(value, null, 2) + "\n";
const literal = (value) => JSON.stringify(value);

const csrfCookies = { csrf_access: "csrf_access_token", csrf_refresh: "csrf_refresh_token" };
const pairCookies = ["access_token_cookie", "refresh_token_cookie", "csrf_access_token", "csrf_refresh_token"];

function url(request) {
  const path = request.path.replace("{id}", `{{${request.id}}}`);
  return `{{baseUrl}}${path}${request.query ? `?${request.query}` : ""}`;
}

function headers(request) {
  const all = [];
  if (request.body) all.push(["Content-Type", "application/json"]);
  if (request.form) all.push(["Content-Type", "application/x-www-form-urlencoded"]);
  if (request.bearer) all.push(["Authorization", `Bearer {{${request.bearer}}}`]);
  if (request.csrf) all.push(["X-CSRF-TOKEN", `csrf_${request.csrf}` in csrfCookies ? `{{csrf_${request.csrf}}}` : request.csrf]);
  return all;
}

// The functions below make scripts. A tool says how to read the status, the JSON, the `Set-Cookie`
// headers and a variable, and how to write a test and a variable.

const postman = {
  status: "pm.response.code", body: "pm.response.json()",
  lines: 'pm.response.headers.filter((header) => header.key.toLowerCase() === "set-cookie").map((header) => header.value)',
  get: (name) => `pm.variables.get(${literal(name)})`,
  set: (name, value) => `pm.collectionVariables.set(${literal(name)}, ${value});`,
  test: (name, actual, wanted) => `pm.test(${literal(name)}, () => pm.expect(${actual}).to.eql(${wanted}));`,
};
const bruno = {
  status: "res.getStatus()", body: "res.getBody()",
  lines: '[].concat(res.getHeader("set-cookie") || [])',
  get: (name) => `bru.getVar(${literal(name)})`,
  set: (name, value) => `bru.setVar(${literal(name)}, ${value});`,
  test: (name, actual, wanted) => `test(${literal(name)}, () => expect(${actual}).to.eql(${wanted}));`,
};
const http = {
  status: "response.status", body: "response.body",
  lines: 'response.headers.valuesOf("Set-Cookie")',
  get: (name) => `client.global.get(${literal(name)})`,
  set: (name, value) => `client.global.set(${literal(name)}, ${value});`,
  test: (name, actual, wanted) => `client.test(${literal(name)}, () => client.assert(${actual} === ${wanted}));`,
};

function tests(request, tool) {
  const value = (wanted) => {
    const variable = typeof wanted === "string" && /^\{\{(\w+)\}\}$/.exec(wanted);
    return variable ? tool.get(variable[1]) : literal(wanted);
  };
  const all = [tool.test(`answers ${request.status}`, tool.status, request.status)];
  const members = { ...(request.code && { code: request.code }), ...request.is };
  for (const [name, wanted] of Object.entries(members)) {
    all.push(tool.test(`${name} is ${String(wanted).replace(/^\{\{(\w+)\}\}$/, "the variable $1")}`, `${tool.body}.${name}`, value(wanted)));
  }
  if (request.cookies === "none") {
    const found = `${tool.lines}.filter((line) => line.includes("token")).length`;
    all.push(tool.test("sets no token cookie", found, 0));
  } else if (request.cookies) {
    for (const name of pairCookies) {
      const start = literal(`${name}=${request.cookies === "cleared" ? ";" : ""}`);
      all.push(tool.test(`${name} is ${request.cookies}`, `${tool.lines}.some((line) => line.startsWith(${start}))`, true));
    }
  }
  return all;
}

const saves = (request, tool) =>
  Object.entries(request.save ?? {}).map(([name, value]) => tool.set(name, value.replace(/^body\b/, tool.body)));
const before = (request, tool) => Object.entries(request.before ?? {}).map(([name, value]) => tool.set(name, value));

/** What is done after every response: checks the cookies' attributes, and keeps the CSRF tokens. */
function afterEach(tool, isHttps) {
  return [
    `const lines = ${tool.lines}.filter((line) => line.includes("_token") && !/^[^=]+=;/.test(line));`,
    "for (const line of lines) {",
    '  const name = line.split("=")[0];',
    "  const has = (attribute) => line.toLowerCase().split(/; */).includes(attribute);",
    `  ${tool.test("cookies of tokens are HttpOnly, those of CSRF tokens are not", 'has("httponly")', '!name.includes("csrf_")')}`,
    `  ${tool.test("cookies are SameSite=Lax", 'has("samesite=lax")', "true")}`,
    `  ${tool.test("cookies are Secure over https only", 'has("secure")', isHttps)}`,
    `  if (name === "csrf_access_token") ${tool.set("csrf_access", 'line.split(/[=;]/)[1]')}`,
    `  if (name === "csrf_refresh_token") ${tool.set("csrf_refresh", 'line.split(/[=;]/)[1]')}`,
    "}",
  ];
}

function postmanCollection() {
  const event = (listen, exec) => exec.length ? [{ listen, script: { type: "text/javascript", exec } }] : [];
  const item = (request) => ({
    name: request.name,
    event: [...event("prerequest", before(request, postman)), ...event("test", [...tests(request, postman), ...saves(request, postman)])],
    request: {
      method: request.method,
      header: headers(request).map(([key, value]) => ({ key, value })),
      ...(request.body && { body: { mode: "raw", raw: JSON.stringify(request.body, null, 2), options: { raw: { language: "json" } } } }),
      ...(request.form && { body: { mode: "urlencoded", urlencoded: Object.entries(request.form).map(([key, value]) => ({ key, value })) } }),
      url: url(request),
    },
  });
  const skip = (name) => [`if (!pm.variables.get(${literal(name)})) pm.execution.skipRequest();`];
  const known = { ...variables, ...Object.fromEntries(Object.keys(csrfCookies).map((name) => [name, ""])) };
  return {
    info: {
      name: "tokenpair",
      description: "Run the folders in order, or the whole collection. docs/postman.md explains each.",
      schema: "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    },
    item: folders.map((folder) => ({
      name: folder.name,
      item: folder.requests.map(item),
      event: folder.needs ? event("prerequest", skip(folder.needs)) : [],
    })),
    event: event("test", afterEach(postman, 'pm.variables.get("baseUrl").startsWith("https:")')),
    variable: Object.entries(known).map(([key, value]) => ({ key, value })),
  };
}

function postmanEnvironment(name) {
  const values = Object.entries({ baseUrl: servers[name], ...environment });
  const type = (key) => (/password$|secret$/.test(key) ? "secret" : "default");
  return {
    name: `tokenpair ${name}`,
    values: values.map(([key, value]) => ({ key, value, type: type(key), enabled: true })),
    _postman_variable_scope: "environment",
  };
}

const block = (name, lines) => lines.length ? `${name} {\n${lines.map((line) => `  ${line}\n`).join("")}}\n` : "";

function brunoFiles() {
  const files = {};
  const add = (name, ...blocks) => (files[`bruno/${name}`] = blocks.filter(Boolean).join("\n"));
  files["bruno/bruno.json"] = json({ version: "1", name: "tokenpair", type: "collection", ignore: ["node_modules", ".git"] });
  const start = Object.entries(variables).map(([name, value]) => `if (!bru.getVar(${literal(name)})) bru.setVar(${literal(name)}, ${literal(value)});`);
  const each = afterEach(bruno, 'bru.getEnvVar("baseUrl").startsWith("https:")');
  add("collection.bru", block("script:pre-request", start), block("tests", each));
  for (const name of Object.keys(servers)) {
    const values = Object.entries({ baseUrl: servers[name], ...environment }).map(([key, value]) => `${key}: ${value}`);
    add(`environments/${name}.bru`, block("vars", values));
  }
  folders.forEach((folder, f) => {
    const folderPath = `${f + 1} ${folder.name}`;
    const skip = folder.needs ? [`if (!bru.getEnvVar(${literal(folder.needs)})) bru.runner.skipRequest();`] : [];
    add(`${folderPath}/folder.bru`, block("meta", [`name: ${folder.name}`, `seq: ${f + 1}`]), block("script:pre-request", skip));
    folder.requests.forEach((request, r) => {
      const body = request.body ? "json" : request.form ? "formUrlEncoded" : "none";
      add(
        `${folderPath}/${String(r + 1).padStart(2, "0")} ${request.name}.bru`,
        block("meta", [`name: ${request.name}`, "type: http", `seq: ${r + 1}`]),
        block(request.method.toLowerCase(), [`url: ${url(request)}`, `body: ${body}`, "auth: none"]),
        block("headers", headers(request).map(([name, value]) => `${name}: ${value}`)),
        block("body:json", request.body ? JSON.stringify(request.body, null, 2).split("\n") : []),
        block("body:form-urlencoded", Object.entries(request.form ?? {}).map(([name, value]) => `${name}: ${value}`)),
        block("script:pre-request", before(request, bruno)),
        block("script:post-response", saves(request, bruno)),
        block("tests", tests(request, bruno)),
      );
    });
  });
  return files;
}

function requestsHttp() {
  const text = [
    "# Run the requests from top to bottom: in an IDE of JetBrains, in VS Code with the extension httpYac, or with",
    "#   npx httpyac send postman/requests.http --all",
    "# The folder Admin needs a user that `tokenpair user add admin --admin` made. Remove the # before @admin_password, and write its",
    "# password there. Without it httpYac skips the folder. The folder Services needs what `tokenpair client add postman --may introspect",
    "# --may revoke` printed.",
    "",
    `@baseUrl=${servers.local}`,
    // httpYac takes a line with an empty value for a request.
    ...Object.entries({ ...variables, ...environment }).filter(([name]) => !["username", "strict"].includes(name)).map(([name, value]) => `${value ? "" : "# "}@${name}=${value}`),
    "",
  ];
  // Of the clients of this format, httpYac alone can skip requests.
  for (const folder of folders.filter(({ needs }) => needs !== "strict")) {
    for (const request of folder.requests) {
      text.push(`### ${folder.name}: ${request.name}`);
      const first = before(request, http);
      if (folder.needs) text.push(`# @disabled typeof ${folder.needs} === "undefined"`);
      if (first.length) text.push("< {%", ...first.map((line) => `  ${line}`), "%}");
      text.push(`${request.method} ${url(request)}`);
      text.push(...headers(request).map(([name, value]) => `${name}: ${value}`), "");
      if (request.body) text.push(JSON.stringify(request.body, null, 2), "");
      if (request.form) text.push(Object.entries(request.form).map(([name, value]) => `${name}=${value}`).join("&"), "");
      const each = request.cookies === "set" ? afterEach(http, 'request.url().startsWith("https:")').filter((line) => !line.includes("are Secure")) : [];
      const after = [...tests(request, http), ...saves(request, http), ...each];
      text.push("> {%", ...after.map((line) => `  ${line}`), "%}", "");
    }
  }
  return text.join("\n");
}

function files() {
  const all = { "tokenpair.postman_collection.json": json(postmanCollection()), ...brunoFiles(), "requests.http": requestsHttp() };
  for (const name of Object.keys(servers)) all[`${name}.postman_environment.json`] = json(postmanEnvironment(name));
  return all;
}

/** The routes that a text calls, such as `GET /sessions/{id}`. */
function routes(text, pattern) {
  const found = [...text.matchAll(pattern)].map(([, method, path]) => `${method.toUpperCase()} ${path.replace(/\?.*/, "").replace(/\{\{\w+\}\}/, "{id}")}`);
  return [...new Set(found)].sort();
}

function checkRoutes(description) {
  const paths = Object.entries(JSON.parse(readFileSync(description, "utf8")).paths);
  const described = paths.flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)).sort();
  const written = files();
  const brunoText = Object.entries(written).filter(([name]) => name.startsWith("bruno/")).map(([, text]) => text).join("\n");
  const called = {
    "the Postman collection": routes(written["tokenpair.postman_collection.json"], /"method": "(\w+)",[^]*?"url": "\{\{baseUrl\}\}([^"]*)"/g),
    "the Bruno folder": routes(brunoText, /^(get|post|patch|delete) \{\n {2}url: \{\{baseUrl\}\}(\S*)/gm),
    "requests.http": routes(written["requests.http"], /^(GET|POST|PATCH|DELETE) \{\{baseUrl\}\}(\S*)/gm),
  };
  return Object.entries(called).flatMap(([name, calls]) => [
    ...described.filter((route) => !calls.includes(route)).map((route) => `${name} does not call ${route}`),
    ...calls.filter((route) => !described.includes(route)).map((route) => `${name} calls ${route}, which does not exist`),
  ]);
}

/** Files of requests that were renamed or renumbered. Bruno would still run them. */
function leftOver() {
  const written = files();
  const found = readdirSync(join(here, "bruno"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return found.map((entry) => relative(here, join(entry.parentPath ?? entry.path, entry.name))).filter((name) => !(name in written));
}

function stale() {
  const read = (name) => { try { return readFileSync(join(here, name), "utf8"); } catch { return undefined; } };
  const changed = Object.entries(files()).filter(([name, text]) => read(name) !== text).map(([name]) => name);
  return [...changed, ...leftOver()].map((name) => `postman/${name} is out of date: run node postman/build.mjs`);
}

function write() {
  for (const [name, text] of Object.entries(files())) {
    mkdirSync(dirname(join(here, name)), { recursive: true });
    writeFileSync(join(here, name), text);
  }
  leftOver().forEach((name) => rmSync(join(here, name)));
  return [];
}

const [command, description] = process.argv.slice(2);
const problems = command === "--check" ? stale() : command === "--routes" ? checkRoutes(description) : write();
problems.forEach((problem) => console.error(problem));
process.exitCode = problems.length ? 1 : 0;
