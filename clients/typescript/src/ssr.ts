// Implements the client of a page that is rendered on a server.

import { Jar } from './jar.js'
import { copiesOf, repeat, replyBy, responseOf, type Outcome, type Rules } from './requests.js'
import { isCsrf, isRejected, noAnswer, read, type Answer } from './wire.js'
import type { Auth, HeaderReader, Session } from './types.js'

export type { ErrorCode } from './codes.js'
export type * from './types.js'

/** The browser's request for a page: the standard's, Node's, or anything else with its headers. */
export interface IncomingRequest {
  headers: HeaderReader | Record<string, string | string[] | undefined>
}

export interface ServerOptions {
  /** The server's address as this program reaches it, with its path if it is mounted below one. */
  baseUrl: string | URL
  /** `JWT_COOKIE_PREFIX` of the server: `__Host-` or `__Secure-`. Default: none. */
  cookiePrefix?: string
  /**
   * The address of the browser, for rate limits and the audit log: sent as `X-Forwarded-For`, which counts if
   * `SERVER_TRUSTED_PROXIES` lists this program's. Default: none.
   */
  clientAddress?: string
  /** Sends requests. Default: the global `fetch`. */
  fetch?: typeof fetch
}

export interface ServerAuth extends Pick<Auth, 'fetch'> {
  /**
   * Asks the server who is logged in, and refreshes if only the access token has expired. Never
   * rejects: without a response the state is `unknown`.
   */
  session(): Promise<Session>
  /**
   * Returns the `Set-Cookie` lines for the page's response. Call it before its head is sent.
   * Later requests refresh nothing: their cookies would not reach the browser.
   */
  setCookies(): string[]
}

/** The headers of the browser that mean the same for the page's own requests. */
const PASSED_ON = ['user-agent', 'x-request-id', 'traceparent', 'tracestate']
/** The seconds that a page waits for a busy server. */
const MAX_WAIT = 3
/** The milliseconds that a request of the client's own may take. */
const TIMEOUT = 8_000

const UNKNOWN: Session = { state: 'unknown' }
const OUT: Session = { state: 'out' }

/** Makes the client of one incoming request. Never share it between requests. */
export function createServerAuth(incoming: IncomingRequest, options: ServerOptions): ServerAuth {
  const { cookiePrefix = '', clientAddress } = options
  const base = new URL(options.baseUrl).href.replace(/\/$/, '')
  const { origin } = new URL(base)
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init))
  const given = (name: string) => {
    const { headers } = incoming
    const value = typeof headers.get === 'function' ? headers.get(name) : (headers as Record<string, unknown>)[name]
    return Array.isArray(value) ? value.join('; ') : ((value ?? undefined) as string | undefined)
  }

  const jar = new Jar(given('cookie') ?? '')
  const cookie = (name: string) => jar.get(cookiePrefix + name)
  let generation = 0
  let accessEnds = 0
  /** A CSRF token that the cookies lack. */
  let loaded: string | undefined
  let isSealed = false
  let refreshing: Promise<Outcome> | undefined
  let asking: Promise<Session> | undefined
  /** The answers for the cookies of that version. */
  let over: { version: number; answer: Answer } | undefined
  let seen: { version: number; session: Session } | undefined

  const csrf = () => loaded ?? cookie('csrf_refresh_token') ?? cookie('csrf_access_token')

  const send: typeof fetch = async (input, init) => {
    // Next.js would otherwise keep responses, and show them to others.
    const request = new Request(input, { cache: 'no-store', ...init })
    if (jar.header) request.headers.set('Cookie', jar.header)
    for (const name of PASSED_ON) {
      const value = given(name)
      if (value && !request.headers.has(name)) request.headers.set(name, value)
    }
    if (clientAddress) request.headers.set('X-Forwarded-For', clientAddress)
    const response = await plain(request)
    // A redirect may have led to another origin, which must not set cookies of this one.
    const isOwn = !response.redirected || new URL(response.url).origin === origin
    if (!isSealed && isOwn) jar.take(response.headers)
    return response
  }

  const call = async (method: string, path: string) => {
    const headers = new Headers({ Accept: 'application/json' })
    if (method !== 'GET') headers.set('X-CSRF-TOKEN', csrf() ?? '')
    return read(await send(base + path, { method, headers, signal: AbortSignal.timeout(TIMEOUT) }))
  }

  const regain = async () => {
    const { ok, data } = await call('GET', '/csrf')
    if (ok) loaded = data.csrf_refresh_token ?? data.csrf_access_token ?? undefined
  }

  // --- Refreshes: one for all requests of the page.

  const refresh = async (): Promise<Outcome> => {
    // A token that does not reach the browser must not be used: the browser's own would pass for a copy.
    if (isSealed || !cookie('refresh_token_cookie')) return { answer: noAnswer }
    if (over?.version === jar.version) return over
    try {
      if (!csrf()) await regain()
      let answer = await call('POST', '/refresh')
      if (isCsrf(answer.code)) {
        await regain()
        answer = await call('POST', '/refresh')
      }
      if (isSealed) return { answer: noAnswer }
      if (answer.ok) granted(answer)
      else if (isRejected(answer) && answer.code && answer.retryAfter === undefined) over = { version: jar.version, answer }
      return { answer }
    } catch (error) {
      return { error }
    }
  }

  const granted = ({ data }: Answer) => {
    generation += 1
    accessEnds = data.expires_in > 0 ? performance.now() + data.expires_in * 1000 : 0
  }

  const renew = () => (refreshing ??= refresh().finally(() => (refreshing = undefined)))

  const rules: Rules<void> = {
    maxWait: MAX_WAIT,
    mark: () => {},
    verify: async () => {},
    generation: () => generation,
    ends: () => accessEnds,
    additions(isUnsafe) {
      const token = isUnsafe && csrf()
      return { headers: token ? { 'X-CSRF-TOKEN': token } : {} }
    },
    renew,
    regain,
  }

  // --- The calls.

  const request = async (input: RequestInfo | URL, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input, `${base}/`)
    if (url.origin !== origin) return plain(input, init)
    const whole = new Request(input instanceof Request ? input : url, init)
    const isOnce = init?.body instanceof ReadableStream
    if (isOnce && !accessEnds) await session()
    const outline = { url: whole.url, method: whole.method, signal: whole.signal, isOnce }
    const kind = url.href === `${base}/refresh` ? 'refresh' : 'access'
    return responseOf(await repeat(rules, outline, kind, replyBy(send, copiesOf(whole, isOnce))))
  }

  const ask = async (mayRefresh = true): Promise<Session> => {
    const { version } = jar
    const { data, headers } = await call('GET', '/session')
    const known = (session: Session) => (seen = { version, session }).session
    const { state, user, access_expires_at: end, refresh_expires_at: expiresAt } = data
    if (state === 'in') {
      if (end) accessEnds = performance.now() + end * 1000 - (Date.parse(headers.get('Date')!) || Date.now())
      const named = user?.username && { user: { id: user.id, username: user.username } }
      return known({ state, ...named, ...(expiresAt && { expiresAt: expiresAt * 1000 }) })
    }
    // The browser may keep its refresh token for other paths than the page's.
    if (state === 'out') return known(cookie('csrf_refresh_token') && !cookie('refresh_token_cookie') ? UNKNOWN : OUT)
    if (state !== 'refreshable' || !mayRefresh) return UNKNOWN
    const outcome = await renew()
    if ('error' in outcome) return UNKNOWN
    if (outcome.answer.ok) return ask(false)
    // Another tab may have the newer token.
    return over?.version === jar.version && over.answer.code !== 'refresh_superseded' ? OUT : UNKNOWN
  }

  const session = async (): Promise<Session> => {
    if (seen?.version === jar.version) return seen.session
    if (!jar.header) return OUT
    return (asking ??= ask().catch(() => UNKNOWN).finally(() => (asking = undefined)))
  }

  const setCookies = () => {
    isSealed = true
    return jar.lines
  }

  return { fetch: request, session, setCookies }
}
