// Renders the page for the visitor: with the first byte it shows who is logged in.

import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { createServerAuth } from '@tokenpair/client/ssr'
import { isForServer, listen, pass, tokenpair } from '../proxy.mjs'

const style = await readFile(new URL('../style.css', import.meta.url))
const script = await readFile(new URL('app.js', import.meta.url))

const site = http.createServer(async (request, response) => {
  if (isForServer(request)) return pass(request, response)
  if (request.url === '/style.css') return response.setHeader('Content-Type', 'text/css').end(style)
  if (request.url === '/app.js') return response.setHeader('Content-Type', 'text/javascript').end(script)
  if (request.url !== '/') return response.writeHead(404).end()
  const auth = createServerAuth(request, { baseUrl: tokenpair, clientAddress: request.socket.remoteAddress })
  const { status, html } = await page(auth).catch(away)
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'private, no-store',
    'Set-Cookie': auth.setCookies(), // a refresh while the page was rendered
  })
  response.end(html)
})
listen(site)

async function page(auth) {
  const session = await auth.session()
  if (session.state === 'unknown') return away()
  if (session.state === 'out') return { status: 200, html: document(session, login) }
  const response = await auth.fetch('/sessions')
  if (!response.ok) return away()
  const { sessions } = await response.json()
  return { status: 200, html: document(session, account(session.user.username, sessions)) }
}

const away = () => ({ status: 503, html: document({ state: 'unknown' }, '<h1>Please try again</h1><p>The server is busy.</p>') })

const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt()};`)

/** The script gets the name in an attribute. It compares that with the browser's session. */
const document = (session, main) => `<!doctype html>
<html lang="en" data-user="${escape(session.user?.username ?? '')}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>tokenpair on a server-rendered page</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/style.css">
  ${session.state === 'unknown' ? '' : '<script type="module" src="/app.js"></script>'}
</head>
<body><main>${main}</main></body>
</html>`

const login = `<form>
  <h1>Log in</h1>
  <label>Username <input name="username" autocomplete="username" autocapitalize="none" required></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <label class="check"><input name="remember" type="checkbox"> Stay logged in</label>
  <button class="primary">Log in</button>
  <button value="register">Create account</button>
  <p role="alert"></p>
</form>`

const account = (name, sessions) => `<h1>Hello ${escape(name)}</h1>
<p>Your browser got this page as it is: view its source.</p>
<h2>Your sessions</h2>
<ul>${sessions.map(item).join('')}</ul>
<button id="logout" class="primary">Log out</button>
<p role="alert"></p>`

const item = ({ id, device, created_at: at, current }) => `<li>
  <span>${escape(device ?? 'Unknown device')}<small>${current ? 'this browser' : `since ${utc(at)}`}</small></span>
  ${current ? '' : `<button data-end="${escape(id)}">End</button>`}
</li>`

const utc = (at) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
