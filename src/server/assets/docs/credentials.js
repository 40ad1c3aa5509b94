// What this page sends with each request: cookies and the CSRF header, or a token in a header.

import { csrfHeader, needsCsrf } from './csrf.js'
import { settings, urlOf } from './settings.js'

/** The tokens of a login that asked for them, in this page's memory only. `null` with cookies. */
let tokens = null

export const inHeader = () => tokens !== null
export const keep = (pair) => {
  tokens = { access: pair.access_token, refresh: pair.refresh_token }
}
export const forget = () => {
  tokens = null
}

/** Returns the kinds of token that an operation takes, the best one first. */
export function kindsOf(operation) {
  const names = (operation.security ?? []).flatMap(Object.keys)
  return ['access', 'refresh'].filter((kind) => names.some((name) => name.startsWith(`${kind}_`)))
}

/** Returns the operation of a description that a request is for. */
export function operationOf(description, method, url) {
  const root = urlOf('/').pathname.slice(0, -1)
  const path = new URL(url, location.href).pathname.slice(root.length)
  const template = Object.keys(description.paths).find((template) => matches(template, path))
  return description.paths[template]?.[method.toLowerCase()]
}

function matches(template, path) {
  const [wanted, given] = [template, path].map((one) => one.split('/'))
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith('{') || part === given[at])
}

/** Adds the credentials of a route that takes these kinds of token. */
export async function authorize(request, kinds) {
  request.headers ??= {}
  request.credentials = tokens ? 'omit' : 'same-origin'
  if (kinds.length === 0) return request
  if (tokens) {
    const { name, scheme } = settings.header
    request.headers[name] = `${scheme} ${tokens[kinds[0]]}`.trim()
  } else if (needsCsrf(request.method)) {
    const header = await csrfHeader(...kinds)
    if (header) request.headers[header[0]] = header[1]
  }
  return request
}

/** Sends a request of this page's own buttons. */
export async function send(route, kinds, body) {
  const headers = body ? { 'Content-Type': 'application/json' } : {}
  const request = { method: 'POST', headers, body: body && JSON.stringify(body) }
  return fetch(urlOf(route), await authorize(request, kinds))
}
