// Shows exchanges as raw requests and answers, with tokens shortened and passwords masked.

import { element } from './dom.js'

/** Shows an exchange in a pane, and closes those before it. */
export function show(pane, exchange) {
  pane.querySelector('.empty')?.remove()
  for (const older of pane.querySelectorAll('details')) older.open = false
  const shown = element('details', { open: true, class: 'exchange' }, summary(exchange), raw(exchange))
  pane.prepend(shown)
  for (const old of [...pane.querySelectorAll('details')].slice(8)) old.remove()
  return shown
}

function summary({ method, route, status, reason, took, who }) {
  const line = element('summary', {}, element('b', {}, `${method} ${route}`))
  if (who) line.append(element('span', { class: `who ${who}` }, who))
  line.append(element('span', { class: `status ${tone(status)}` }, `${status || ''} ${reason}`.trim()))
  line.append(element('span', { class: 'took' }, `${Math.round(took)} ms`))
  return line
}

export const tone = (status) => (status >= 200 && status < 300 ? 'good' : 'bad')

function raw({ method, route, headers, body, withCookies, status, reason, received, hidesCookies, answer }) {
  const text = element('pre', { tabindex: '0', role: 'group', 'aria-label': 'Request and answer' })
  const line = (...parts) => text.append(...parts, '\n')
  line(part('start', `${method} ${route} HTTP/1.1`))
  if (withCookies) line(part('hidden', 'Cookie: (the browser adds it; scripts cannot read the tokens in it)'))
  for (const [name, value] of Object.entries(headers)) line(...header(name, shortened(value)))
  if (body) line('\n', json(body))
  line()
  if (status === 0) line(part('start bad', 'The server did not answer.'))
  else line(part(`start ${tone(status)}`, `HTTP/1.1 ${status} ${reason}`))
  for (const [name, value] of received) line(...header(name, value))
  if (hidesCookies) line(part('hidden', 'Set-Cookie: (the browser keeps it from scripts)'))
  if (answer) line('\n', json(answer))
  return text
}

const part = (kind, text) => element('span', { class: kind }, text)
const header = (name, value) => [part('name', `${name}: `), value]

/** As it travels, on one line, unless that would be too long to read. */
function json(value) {
  if (typeof value === 'string') return value
  const line = JSON.stringify(value, masked)
  return line.length <= 80 ? line : JSON.stringify(value, masked, 2)
}

function masked(key, value) {
  if (key === 'password') return '••••••••'
  return typeof value === 'string' ? shortened(value) : value
}

/** Shortens the tokens in a text to their header and the start of their payload. */
export function shortened(text) {
  return text.replace(/(eyJ[\w-]+)\.([\w-]{16})[\w-]*\.[\w-]+/g, '$1.$2…')
}
