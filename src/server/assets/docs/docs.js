// The page /docs: Swagger UI, which calls the server as the user who logged in by the form above it.

import { authorize, forget, inHeader, keep, kindsOf, operationOf, send } from './credentials.js'
import { csrfCookie, needsCsrf } from './csrf.js'
import { settings, urlOf } from './settings.js'

const byId = (id) => document.getElementById(id)
const form = byId('login')

function showLoggedIn(name) {
  form.hidden = true
  byId('session').hidden = false
  const where = inHeader() ? 'tokens in this page, until it is closed' : 'tokens in cookies'
  byId('who').textContent = `Logged in as ${name}: ${where}`
  noteOnCurl()
}

/** Swagger UI shows a curl line for each request, which lacks what no script can see. */
function noteOnCurl() {
  const note = byId('curl')
  note.hidden = inHeader()
  const other = settings.header ? ', or log in with the tokens in the header' : ''
  note.textContent =
    'The curl lines that this page shows lack the cookies, which no script can see. Before you paste one, log in with ' +
    `curl -c jar and add -b jar to the line${other}.`
}

function showLoggedOut() {
  forget()
  byId('curl').hidden = true
  form.hidden = false
  byId('session').hidden = true
}

const tell = (text) => {
  byId('status').textContent = text
}

/** Says in one line how a request went. */
async function report(response, success) {
  if (response.ok) return tell(success)
  const { msg, hint } = await response.json()
  tell(`${response.status}: ${msg}. ${hint ?? ''}`)
}

async function logIn(event) {
  event.preventDefault()
  const { username, password, tokens } = Object.fromEntries(new FormData(form))
  forget()
  const response = await send('/login', [], { username, password, tokens })
  await report(response.clone(), 'You are logged in.')
  if (!response.ok) return
  form.elements.password.value = ''
  const answer = await response.json()
  if (answer.access_token) keep(answer)
  showLoggedIn(username.trim())
  byId('logout').focus()
}

async function refresh() {
  const response = await send('/refresh', ['refresh'])
  await report(response.clone(), 'The tokens were refreshed.')
  const answer = await response.json()
  if (answer.access_token) keep(answer)
}

async function logOut() {
  const response = await send('/logout', ['access', 'refresh'])
  await report(response, 'You are logged out.')
  if (!response.ok) return
  showLoggedOut()
  form.elements.username.focus()
}

/** Offers only the places where this server looks for tokens. */
function offerPlaces() {
  const places = { cookies: settings.cookies, body: settings.header }
  for (const radio of form.elements.tokens) radio.disabled = !places[radio.value]
  const first = [...form.elements.tokens].find((radio) => !radio.disabled)
  if (first) first.checked = true
}

/** Shows who is logged in by the cookies of this browser. */
async function greet() {
  if (!settings.cookies || (settings.cookies.csrf && !csrfCookie('access'))) return
  const response = await fetch(urlOf('/protected'), await authorize({ method: 'GET' }, ['access']))
  if (response.ok) showLoggedIn((await response.json()).logged_in_as)
}

/** Names the credentials of each route in its description, in place of Swagger UI's own dialog. */
function describe(description) {
  for (const item of Object.values(description.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const kinds = kindsOf(operation)
      if (kinds.length === 0) continue
      const csrf = settings.csrf && needsCsrf(method.toUpperCase()) ? ', and with cookies its CSRF header' : ''
      operation.description = `${operation.description ?? ''}\n\nThis page adds the ${kinds.join(' or ')} token${csrf}.`
    }
  }
  // The server may be behind a prefix that only this page knows.
  description.servers = [{ url: urlOf('/').href.slice(0, -1) }]
}

/** Makes the page follow what happens to the session by Execute. */
function follow(response) {
  const route = new URL(response.url, location.href).pathname.slice(urlOf('/').pathname.length - 1)
  const answer = response.body ?? {}
  if (response.ok && route === '/refresh' && answer.access_token) keep(answer)
  if (response.ok && route === '/logout') showLoggedOut()
  if (response.ok && route === '/login') {
    if (answer.access_token) keep(answer)
    else forget()
    greetLater()
  }
  return response
}

const greetLater = () => void (inHeader() ? showLoggedIn('the user of the last login') : greet())

const withoutAuthorizeDialog = () => ({
  wrapComponents: { authorizeOperationBtn: () => () => null, authorizeBtn: () => () => null, AuthorizeBtnContainer: () => () => null },
})

async function start() {
  offerPlaces()
  form.addEventListener('submit', logIn)
  byId('refresh').addEventListener('click', refresh)
  byId('logout').addEventListener('click', logOut)
  const dark = matchMedia('(prefers-color-scheme: dark)')
  const color = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
  dark.addEventListener('change', color)
  color()
  const description = await (await fetch(urlOf('/openapi.json'))).json()
  describe(description)
  globalThis.SwaggerUIBundle({
    spec: description,
    domNode: byId('swagger-ui'),
    plugins: [withoutAuthorizeDialog],
    tryItOutEnabled: true,
    deepLinking: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    requestInterceptor: (request) => authorize(request, kindsOf(operationOf(description, request.method, request.url) ?? {})),
    responseInterceptor: follow,
  })
  await greet()
}

await start()
