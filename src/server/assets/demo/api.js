// Sends requests to the server, and keeps what was sent and answered so that the page can show it.

import { csrfHeader, needsCsrf } from './csrf.js'
import { settings, urlOf } from './settings.js'

const SHOWN = ['content-type', 'cache-control', 'www-authenticate', 'retry-after']

/** The routes whose answers set or remove cookies, which no script can see. */
const SETS_COOKIES = ['/login', '/refresh', '/logout']

/**
 * Sends a request and returns the exchange.
 *
 * `csrf` names the kinds of token whose CSRF value may go with the cookies. With `bearer`, a token
 * goes in the header instead, and no cookie goes with it.
 */
export async function call(method, route, { body, csrf = [], bearer, who } = {}) {
  const headers = body ? { 'Content-Type': 'application/json' } : {}
  const withCookies = !bearer && body?.tokens !== 'body'
  if (bearer) headers[settings.header.name] = `${settings.header.scheme} ${bearer}`.trim()
  const proof = !bearer && csrf.length > 0 && needsCsrf(method) ? await csrfHeader(...csrf) : undefined
  if (proof) headers[proof[0]] = proof[1]
  const begun = performance.now()
  const exchange = { method, route, headers, body, who, withCookies: withCookies && hasCookies() }
  try {
    const credentials = withCookies ? 'same-origin' : 'omit'
    const response = await fetch(urlOf(route), { method, headers, body: body && JSON.stringify(body), credentials })
    const text = await response.text()
    return {
      ...exchange,
      ok: response.ok,
      status: response.status,
      reason: response.statusText,
      received: SHOWN.filter((name) => response.headers.has(name)).map((name) => [name, response.headers.get(name)]),
      hidesCookies: withCookies && response.ok && SETS_COOKIES.includes(route),
      date: Date.parse(response.headers.get('date') ?? '') || Date.now(),
      answer: text.startsWith('{') ? JSON.parse(text) : text,
      took: performance.now() - begun,
    }
  } catch {
    return { ...exchange, ok: false, status: 0, reason: 'no answer', received: [], answer: '', took: performance.now() - begun }
  }
}

/** Scripts see only the CSRF cookies, which come and go with the tokens. */
function hasCookies() {
  return settings.cookies !== null && (!settings.cookies.csrf || document.cookie !== '')
}
