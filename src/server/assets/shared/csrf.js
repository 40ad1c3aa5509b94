// The CSRF values that prove to the server that a request with cookies comes from its own page.

import { settings, urlOf } from './settings.js'

const VALUES = { access: 'csrf_access_token', refresh: 'csrf_refresh_token' }

/** Returns the value of a cookie that scripts may read. */
export function cookie(name) {
  const start = `${name}=`
  const found = document.cookie.split('; ').find((one) => one.startsWith(start))
  return found?.slice(start.length)
}

/** Returns the value of the CSRF cookie that belongs to a kind of token: `access` or `refresh`. */
export function csrfCookie(kind) {
  return settings.cookies?.csrf ? cookie(settings.cookies[kind].csrf_name) : undefined
}

/** Returns whether a request with this method needs the CSRF header beside its cookies. */
export function needsCsrf(method) {
  return settings.csrf?.methods.includes(method) ?? false
}

/**
 * Returns the CSRF header as `[name, value]`, or nothing if no cookie is there.
 *
 * `kinds` are the tokens that the route accepts, the best one first. Where this page cannot read
 * the cookies, as under `JWT_CSRF_IN_COOKIES=false`, it asks the server for the values.
 */
export async function csrfHeader(...kinds) {
  const found = kinds.find((kind) => csrfCookie(kind))
  if (found) return [settings.csrf[`${found}_header`], csrfCookie(found)]
  const response = await fetch(urlOf('/csrf'))
  const values = response.ok ? await response.json() : {}
  const given = kinds.find((kind) => values[VALUES[kind]])
  return given && [settings.csrf[`${given}_header`], values[VALUES[given]]]
}
