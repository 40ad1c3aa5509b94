// The page /demo: connects its buttons to the requests that they send.

import { call } from './api.js'
import { byId, length, onPress } from './dom.js'
import { show } from './exchange.js'
import { accessLeft, draw, isThere, noteAnswer, noteLogout, noteReissue, startJar } from './jar.js'
import { drawRace, joinRaces, race } from './race.js'
import { settings } from './settings.js'
import { letterOf, onTab, otherTabs, tellTabs } from './tabs.js'
import { startThief } from './thief.js'

const pane = (step) => byId(`step-${step}`).querySelector('.wire')

function notice(text) {
  byId('notice').textContent = text
  byId('notice').hidden = text === ''
}

const form = byId('login')

/** Asks a route with the access cookie, and with its CSRF value where JWT_CSRF_METHODS asks for it. */
const get = (route) => call('GET', route, { csrf: ['access'] })

/** Returns what the form says. */
function credentials() {
  const { username, password } = Object.fromEntries(new FormData(form))
  return { username, password }
}

/** What is wrong with every step but the theft, if anything. */
const WITHOUT_COOKIES = settings.cookies
  ? ''
  : 'This server takes tokens from headers alone (JWT_TOKEN_LOCATION), and this page shows what cookies do. ' +
    'Register here and watch the theft, which uses no cookie, or call the routes on the page /docs.'

async function logIn(register) {
  notice(WITHOUT_COOKIES)
  if (register) {
    const registered = await call('POST', '/register', { body: credentials() })
    show(pane('login'), registered)
    if (!registered.ok) return
  }
  const remember = form.elements.remember.checked
  const exchange = await call('POST', '/login', { body: { ...credentials(), remember } })
  show(pane('login'), exchange)
  if (exchange.ok) noteAnswer(exchange, remember)
}

async function callProtected() {
  const left = accessLeft()
  const exchange = await get('/protected')
  show(pane('protected'), exchange)
  const isDue = left !== undefined && left > 0 && left <= settings.reissue_within
  if (exchange.ok && isDue) await lookForReissue(exchange)
  else draw()
}

/**
 * Finds out whether the answer replaced the access cookie. No script can see that, but a reissue
 * counts as use of the session, and the list of sessions has its time.
 */
async function lookForReissue(exchange) {
  const list = await get('/sessions')
  const current = list.answer.sessions?.find((session) => session.current)
  const reissued = current && Date.parse(current.last_used_at) >= exchange.date - 1000
  if (reissued) noteReissue()
  const seen = reissued ? 'Reissued: GET /sessions shows that the session was used by this request.' : 'No reissue this time.'
  byId('reissue-hint').textContent = seen
}

async function refresh(csrf) {
  const exchange = await call('POST', '/refresh', { csrf })
  show(pane('refresh'), exchange)
  if (exchange.ok) noteAnswer(exchange)
}

async function startRace() {
  if (!isThere('refresh')) return void (byId('others').textContent = 'Log in first.')
  const { lanes, first } = await race()
  const check = await get('/protected')
  if (first.ok) noteAnswer(first)
  drawRace(pane('refresh'), lanes, check.ok)
}

async function logOut() {
  const exchange = await call('POST', '/logout', { csrf: ['access', 'refresh'] })
  show(pane('logout'), exchange)
  if (!exchange.ok) return
  noteLogout()
  tellTabs({ type: 'logout', letter: letterOf() })
}

/** Another tab has logged out. This one believes the server, not the message. */
async function followLogout({ letter }) {
  draw()
  const exchange = await get('/protected')
  show(pane('logout'), exchange)
  const proof = `GET /protected is now ${exchange.status} ${exchange.answer?.code ?? ''}`.trim()
  if (!exchange.ok) notice(`Tab ${letter} logged out. This tab asked the server: ${proof}.`)
}

function showTabs() {
  byId('tab').textContent = letterOf()
  const count = otherTabs().length
  const open = count === 1 ? 'Another tab is open and takes part.' : `${count} other tabs are open and take part.`
  byId('others').textContent = count === 0 ? 'No other tab is open.' : open
}

function explainReissue() {
  const { access_expires: life, reissue_within: within } = settings
  byId('reissue-within').textContent = length(within)
  if (within === 0) {
    byId('reissue-hint').textContent = 'This server reissues nothing (JWT_REISSUE_WITHIN=0): refresh instead.'
  } else if (life > 300) {
    const hint = `Access tokens of this server live ${length(life)}. To watch a reissue, start it with JWT_ACCESS_TOKEN_EXPIRES=1m.`
    byId('reissue-hint').textContent = hint
  }
}

/** Fills in a user who does not exist yet. */
function inventUser() {
  const random = (count) => [...crypto.getRandomValues(new Uint8Array(count))].map((byte) => byte.toString(36).padStart(2, '0')).join('')
  form.elements.username.value = `demo-${random(3)}`
  form.elements.password.value = `${random(4)}-${random(4)}`
  if (settings.registration) return
  form.querySelector('[value=yes]').remove()
  form.elements.username.value = form.elements.password.value = ''
}

/** Leaves only the buttons that can work on a server without cookies. */
function forgoCookies() {
  notice(WITHOUT_COOKIES)
  for (const id of ['protected', 'repeat', 'refresh', 'refresh-without', 'race', 'logout']) byId(id).disabled = true
}

function start() {
  inventUser()
  if (!settings.cookies) forgoCookies()
  explainReissue()
  startJar(byId('jar'))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void logIn(event.submitter?.value === 'yes')
  })
  onPress(byId('protected'), callProtected)
  setInterval(() => byId('repeat').checked && callProtected(), 5000)
  onPress(byId('refresh'), () => refresh(['refresh']))
  onPress(byId('refresh-without'), () => refresh([]))
  onPress(byId('race'), startRace)
  onPress(byId('logout'), logOut)
  startThief(credentials, (exchange) => show(pane('thief'), exchange))
  for (const step of ['login', 'protected', 'refresh', 'thief', 'logout']) {
    pane(step).append(Object.assign(document.createElement('p'), { className: 'empty', textContent: 'The request and its answer appear here.' }))
  }
  joinRaces()
  onTab('tabs', showTabs)
  onTab('changed', draw)
  onTab('logout', followLogout)
}

start()
