// Shows the four cookies with what a page can know of them.
//
// Scripts cannot read the tokens, so their times are those that answers told (`expires_in`). Tabs
// share them in the browser's storage, which holds times and no secrets.

import { csrfCookie } from './csrf.js'
import { duration, element, length } from './dom.js'
import { settings } from './settings.js'
import { tellTabs } from './tabs.js'

const KEY = `tokenpair-demo:${location.pathname}`
const KINDS = {
  access: { title: 'Access token', use: 'goes with every request' },
  refresh: { title: 'Refresh token', use: 'buys the next pair' },
}

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {}
  } catch {
    return {}
  }
}

function write(times) {
  localStorage.setItem(KEY, JSON.stringify(times))
  tellTabs({ type: 'changed' })
  draw()
}

/** Notes the times that a login or a refresh answered with. */
export function noteAnswer({ answer }, remember) {
  const times = read()
  const until = (seconds) => seconds && { until: Date.now() + seconds * 1000, from: Date.now() }
  write({
    access: until(answer.expires_in),
    refresh: until(answer.refresh_expires_in),
    remember: remember ?? times.remember ?? false,
  })
  for (const kind of Object.keys(KINDS)) flash(kind)
}

/** Notes that the server has replaced the access cookie, with the time of a new token. */
export function noteReissue() {
  const life = settings.access_expires * 1000
  write({ ...read(), access: { until: Date.now() + life, from: Date.now() } })
  flash('access')
}

export const noteLogout = () => write({})

/** Returns the seconds that the access token has left, or nothing if this page does not know. */
export function accessLeft() {
  const until = read().access?.until
  return until && isThere('access') ? (until - Date.now()) / 1000 : undefined
}

/** Whether the cookies are there. Without readable CSRF cookies, the last answer decides. */
export function isThere(kind) {
  return settings.cookies?.csrf ? csrfCookie(kind) !== undefined : read()[kind] !== undefined
}

const cards = new Map()

/** Makes the cards and keeps them up to date. */
export function startJar(place) {
  if (!settings.cookies) {
    place.append(element('p', {}, 'This server takes no tokens from cookies (JWT_TOKEN_LOCATION), so only the step with the stolen copy works.'))
    return
  }
  for (const kind of Object.keys(KINDS)) {
    const card = makeCard(kind)
    cards.set(kind, card)
    place.append(card.root)
  }
  draw()
  setInterval(draw, 500)
}

function makeCard(kind) {
  const { title, use } = KINDS[kind]
  const { name, csrf_name } = settings.cookies[kind]
  const left = element('p', { class: 'left' })
  const state = element('p', { class: 'state' })
  const meter = element('div', { class: 'meter', 'aria-hidden': 'true' }, element('i'))
  if (kind === 'access' && settings.access_expires) {
    const zone = Math.min(1, settings.reissue_within / settings.access_expires)
    meter.style.setProperty('--zone', zone)
    meter.append(element('em'))
  }
  const token = element('span', { class: 'value' })
  const value = element('code', { class: 'value' })
  const keptFor = element('span')
  const root = element(
    'article',
    { class: `token ${kind}` },
    element('div', { class: 'head' }, element('h3', {}, title), element('p', { class: 'use' }, use), left),
    meter,
    state,
    cookieRow(name, true, token, keptFor),
  )
  if (settings.cookies.csrf) root.append(cookieRow(csrf_name, false, value))
  return { root, left, state, meter, token, value, keptFor }
}

function cookieRow(name, hidden, value, keptFor) {
  const { secure, same_site } = settings.cookies
  const attributes = [hidden && 'HttpOnly', secure && 'Secure', same_site && `SameSite=${same_site}`].filter(Boolean)
  const tags = attributes.map((one) => element('span', { class: `tag ${one.toLowerCase()}` }, one))
  return element('div', { class: 'cookie' }, element('code', { class: 'cookie-name' }, name), value, element('p', { class: 'tags' }, ...tags, keptFor))
}

export function draw() {
  const times = read()
  for (const [kind, card] of cards) drawCard(kind, card, times)
}

function drawCard(kind, { root, left, state, meter, token, value, keptFor }, times) {
  const there = isThere(kind)
  const time = there ? times[kind] : undefined
  const seconds = time && Math.max(0, (time.until - Date.now()) / 1000)
  const part = time ? seconds / ((time.until - time.from) / 1000) : 0
  root.classList.toggle('gone', !there)
  meter.style.setProperty('--left', part)
  setText(left, there ? (time ? duration(seconds) : '?') : '–')
  setText(state, describe(kind, there, seconds))
  setText(token, there ? 'hidden from scripts' : 'none')
  const csrf = csrfCookie(kind)
  setText(value, csrf ? `${csrf.slice(0, 8)}…` : 'none')
  setText(keptFor, there ? (times.remember ? 'Max-Age' : 'until the browser closes') : '')
  keptFor.className = there ? 'tag' : ''
}

/** Tells what is known of a token, and only that. */
function describe(kind, there, seconds) {
  if (!there) return 'No cookie.'
  if (seconds === undefined) return 'Set before this page watched: its time is unknown until the next refresh.'
  if (seconds === 0) return kind === 'access' ? 'Expired: refresh.' : 'Expired: log in.'
  if (kind === 'access' && seconds <= settings.reissue_within) return 'The next request gets a new one.'
  const life = settings[`${kind}_expires`]
  if (!life) return 'Never expires.'
  const within = kind === 'access' && settings.reissue_within
  return `Left of ${length(life)}.${within ? ` In its last ${length(within)} any request replaces it.` : ' A refresh replaces it.'}`
}

/** Leaves alone what has not changed, so that a selection and a screen reader stay where they are. */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text
}

function flash(kind) {
  const root = cards.get(kind)?.root
  if (!root) return
  root.classList.remove('flash')
  void root.offsetWidth
  root.classList.add('flash')
}
