// Plays the theft of a refresh token, with a session of its own whose tokens are in this page's
// memory.
//
// A refresh token that was replaced may still come from a slow tab or a lost answer. It proves a
// copy once its successor has been in use for half the rotation window (docs/rotation.md): so the
// owner refreshes twice, and the thief comes after that time. Under SESSION_REUSE_POLICY=strict it
// proves one at once.

import { call } from './api.js'
import { byId, duration, element, onPress } from './dom.js'
import { settings } from './settings.js'

const WAIT = settings.strict ? 0 : settings.rotation_window / 2

let stage = 0
let owner
let copy
let access
let due = 0

/** Starts the step. `credentials` returns the name and password of step 1, `show` shows an exchange. */
export function startThief(credentials, show) {
  const button = byId('thief')
  const stages = [() => logIn(credentials(), show), () => goOn(show), () => present(show), () => ownerAgain(show), reset]
  onPress(button, async () => {
    await stages[stage]()
    draw()
  })
  onPress(byId('thief-early'), async () => {
    const exchange = await refreshWith(copy, 'thief', show)
    note(exchange.ok ? 'Too early to tell: it could be a slow tab, so the thief gets what the owner has.' : say(exchange))
    if (!exchange.ok) stage = 3
    draw()
  })
  if (!settings.header) {
    button.disabled = true
    note('This server takes no tokens from headers (JWT_TOKEN_LOCATION).')
  }
  draw()
  setInterval(draw, 500)
}

async function logIn(credentials, show) {
  const exchange = await call('POST', '/login', { body: { ...credentials, tokens: 'body' }, who: 'owner' })
  show(exchange)
  if (!exchange.ok) return note(`${say(exchange)} Register in the first step.`)
  owner = copy = exchange.answer.refresh_token
  access = exchange.answer.access_token
  stage = 1
  note('')
}

/** The second refresh shows the server that the owner has the new token. */
async function goOn(show) {
  for (let times = 0; times < 2; times += 1) {
    const exchange = await refreshWith(owner, 'owner', show)
    if (!exchange.ok) return note(say(exchange))
    owner = exchange.answer.refresh_token
    access = exchange.answer.access_token
  }
  // The server counts whole seconds.
  due = Date.now() + (WAIT > 0 ? WAIT * 1000 + 1000 : 0)
  stage = 2
}

async function present(show) {
  const exchange = await refreshWith(copy, 'thief', show)
  note(exchange.ok ? 'The server took the copy for a slow tab.' : say(exchange))
  if (!exchange.ok) stage = 3
}

async function ownerAgain(show) {
  await refreshWith(owner, 'owner', show)
  show(await call('GET', '/protected', { bearer: access, who: 'owner' }))
  note('The session is over for both. The owner notices and logs in again; the thief stays out.')
  stage = 4
}

function reset() {
  owner = copy = access = undefined
  stage = 0
  note('')
}

async function refreshWith(token, who, show) {
  const exchange = await call('POST', '/refresh', { bearer: token, who })
  show(exchange)
  return exchange
}

const say = ({ answer, reason }) => `${answer?.msg ?? reason}.`
const note = (text) => {
  byId('thief-hint').textContent = text
}

const LABELS = ['Log in, and copy the token', 'Refresh twice as the owner', 'Present the copy', 'Refresh as the owner', 'Start again']
const ACTS = [
  ['The owner logs in. The thief copies refresh token 1.', 1],
  ['The owner refreshes to token 2, and uses it.', 2],
  ['The thief presents the copy of token 1: alarm.', 3],
  ['The session has ended, for the owner too.', 4],
]

function draw() {
  const left = stage === 2 ? Math.max(0, (due - Date.now()) / 1000) : 0
  const button = byId('thief')
  const label = left > 0 ? `Present the copy in ${duration(left)}` : LABELS[stage]
  if (button.textContent !== label) button.textContent = label
  if (settings.header) button.disabled = left > 0
  byId('thief-early').hidden = left === 0
  const list = byId('acts')
  if (list.dataset.stage === String(stage)) return
  list.dataset.stage = stage
  list.replaceChildren(
    ...ACTS.map(([text, done]) => element('li', { class: stage >= done ? `done ${done === 3 ? 'alarm' : ''}` : '' }, text)),
  )
}
