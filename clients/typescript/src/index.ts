// Implements the browser client. One tab has one client; the server resolves their races.

import { createLock, HELD } from './lock.js'
import { createPeers } from './peers.js'
import { copiesOf, delayOf, MAX_TRIES, persist, repeat, replyBy, responseOf, type Kind, type Outcome, type Rules } from './requests.js'
import { guarded, Store } from './store.js'
import { aborted, CURABLE, failed, isCsrf, isRejected, Life, read, refused, Unexpected, until, withCookies, type Answer } from './wire.js'
import type { Additions, Auth, AuthEvent, Credentials, Options, Outline, Reply, Result, Session, User } from './types.js'

export type { ErrorCode } from './codes.js'
export type * from './types.js'

/** What a request was sent for: it must not be repeated for anybody else. */
type Mark = { user: string | undefined; print: string }
/** `until` tells access tokens apart. */
type Seen = { state: 'in' | 'refreshable' | 'out'; answer: Answer; user?: User; expiresAt?: number; until?: number }

/** Makes the client of this tab. */
export function createAuth(options: Options = {}): Auth {
  const { cookiePrefix = '', onEvent } = options
  const isPage = typeof document === 'object'
  const place = isPage && options.csrf !== 'body' ? 'cookie' : 'body' // a worker cannot read cookies
  const here = globalThis.location // of a page or a worker
  const base = new URL(options.baseUrl ?? '/', here?.href ?? 'http://localhost').href.replace(/\/$/, '')
  const { origin } = new URL(base)
  const isForeign = here && origin !== here.origin
  const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init))
  const hold = createLock(`tokenpair ${base}`)
  const life = new Life()

  const store = new Store()
  /** The CSRF tokens of the last response that had them. */
  let values: Partial<Record<Kind, string>> = {}
  /** The login whose cookies are wrong, as when there are two of one name: `values` count instead. */
  let distrusted: string | undefined
  /** A CSRF cookie that differs from the refresh token's, of which this tab has asked. */
  let mixed: string | undefined
  /** The login that `session` describes. */
  let known = ''
  /** Counts the tokens that this tab has got, so that a late 401 is not blamed on the newest. */
  let generation = 0
  /** Counts what makes this tab ask, so that an earlier response is not taken for the answer. */
  let calls = 0
  let accessEnds = 0
  let expiresAt: number | undefined
  /** `until` of the last access token that this tab got, or found. */
  let tried: number | undefined
  let hasSessionRoute = true
  let refreshing: Promise<Outcome> | undefined
  let looking: Promise<Seen> | undefined
  let checking: Promise<Session> | undefined

  const cookie = (kind: Kind) => {
    const name = `${cookiePrefix}csrf_${kind}_token=`
    const found = document.cookie.split('; ').find((one) => one.startsWith(name))
    return found ? found.slice(name.length) : undefined
  }

  /** Returns a value that differs between logins, and is empty without one. */
  const print = () => (place === 'body' ? values.refresh : (cookie('refresh') ?? cookie('access'))) ?? ''

  const csrf = (kind: Kind) => (place === 'body' || distrusted === print() ? values[kind] : cookie(kind))

  // --- What the app sees. Nothing here runs while a lock is held.

  const set = (state: Session['state'], user?: User) => {
    known = print()
    store.set(state, user, expiresAt)
  }

  const tell = (event: AuthEvent) => {
    peers.post(event.type === 'signed_out' && event.code ? { type: event.type, code: event.code } : { type: event.type })
    guarded(onEvent, event)
  }

  const success = (): Result => (store.session.expiresAt ? { ok: true, expiresAt: store.session.expiresAt } : { ok: true })

  // --- Requests to the server's own routes.

  const call = async (method: string, path: string, signal = AbortSignal.timeout(HELD), kind?: Kind, body?: unknown) => {
    const headers = new Headers({ Accept: 'application/json' })
    if (kind) headers.set('X-CSRF-TOKEN', csrf(kind) ?? '')
    const init: RequestInit = { method, headers, cache: 'no-store', credentials: isForeign ? 'include' : 'same-origin', signal }
    if (body) {
      headers.set('Content-Type', 'application/json')
      init.body = JSON.stringify(body)
    }
    return read(await send(base + path, init))
  }

  const keep = (access: unknown, refresh: unknown) => {
    values = {}
    if (typeof access === 'string') values.access = access
    if (typeof refresh === 'string') values.refresh = refresh
  }

  const loadCsrf = async (signal?: AbortSignal) => {
    const { ok, data } = await call('GET', '/csrf', signal)
    if (!ok) return
    keep(data.csrf_access_token, data.csrf_refresh_token)
    distrusted = print()
  }

  /** Records the tokens of a login or refresh. */
  const granted = ({ data }: Answer) => {
    generation += 1
    if (data.csrf_refresh_token || data.csrf_access_token)
      keep(data.csrf_access_token ?? values.access, data.csrf_refresh_token ?? values.refresh)
    tried = data.expires_at
    accessEnds = data.expires_in > 0 ? performance.now() + data.expires_in * 1000 : 0
    expiresAt = data.refresh_expires_in > 0 ? Date.now() + data.refresh_expires_in * 1000 : undefined
  }

  const ask = async (signal?: AbortSignal): Promise<Seen> => {
    if (hasSessionRoute) {
      const answer = await call('GET', '/session', signal)
      const { state, user, csrf, access_expires_at: until, refresh_expires_at: end } = answer.data
      if (state === 'in' || state === 'refreshable' || state === 'out') {
        // Under JWT_REFRESH_COOKIE_PATH=/refresh only the refresh itself can tell that a login is over.
        if (csrf || (place === 'body' && !signal)) keep(csrf?.access, csrf?.refresh)
        // The late response to a request of the user before can replace the access token. The refresh token counts.
        if (csrf?.access && csrf.refresh && csrf.access !== csrf.refresh) return { state: 'refreshable', answer }
        return {
          state,
          answer,
          until,
          ...(user?.username && { user: { id: user.id, username: user.username } }),
          ...(end && { expiresAt: end * 1000 + Date.now() - (Date.parse(answer.headers.get('Date')!) || Date.now()) }),
        }
      }
      if (!answer.ok && answer.status !== 404) throw new Unexpected(answer)
      hasSessionRoute = false // an older server, or an app that has only some of the routes
    }
    const answer = await call('GET', '/protected', signal)
    if (place === 'body') await loadCsrf(signal)
    const { logged_in_as: username } = answer.data
    if (answer.ok && username !== undefined) return { state: 'in', answer, user: { username: String(username) } }
    if (isRejected(answer) && answer.code) return { state: CURABLE.includes(answer.code) ? 'refreshable' : 'out', answer }
    throw new Unexpected(answer)
  }

  /** Returns a value that differs after anything that may have changed the login. */
  const moment = () => [place === 'cookie' && [print(), cookie('access')], generation, calls].join()

  /** Asks the server until the login has not changed meanwhile. */
  const look = () =>
    (looking ??= (async () => {
      for (let tries = 1; ; tries += 1) {
        const before = moment()
        const seen = await ask()
        if (before !== moment() && tries < MAX_TRIES) continue
        expiresAt = seen.expiresAt ?? expiresAt
        if (seen.state === 'in') set('in', seen.user)
        if (seen.state === 'out') {
          const wasIn = store.session.state === 'in'
          set('out')
          if (wasIn) guarded(onEvent, { type: 'signed_out' })
        }
        return seen
      }
    })().finally(() => (looking = undefined)))

  const check = () =>
    (checking ??= (async () => {
      const { state } = await look()
      if (state === 'refreshable') {
        const outcome = await renew()
        if ('error' in outcome) throw outcome.error
        if (!outcome.answer.ok && !isRejected(outcome.answer)) throw new Unexpected(outcome.answer)
      }
      return store.session
    })().finally(() => (checking = undefined)))

  // --- Refreshes: one at a time in all tabs, and one for all of them.

  const renew = (isForced = false) => (refreshing ??= refreshUntilKnown(isForced).finally(() => (refreshing = undefined)))

  /** Under the lock: returns the answer that there is a valid access token which this tab has not tried. */
  const ofOtherTab = async (signal: AbortSignal) => {
    const seen = await ask(signal).catch(() => undefined)
    if (seen?.state !== 'in' || seen.until === tried) return
    generation += 1
    tried = seen.until
    expiresAt = seen.expiresAt ?? expiresAt
    return seen.answer
  }

  const refreshUntilKnown = async (isForced: boolean): Promise<Outcome> => {
    let before = ''
    const once = async (): Promise<Outcome> => {
      before = ''
      try {
        return await hold(async (signal) => {
          const done = isForced ? undefined : await ofOtherTab(signal)
          if (done) return { answer: done, isDone: true }
          if (place === 'body' && !values.refresh) await loadCsrf(signal)
          before = print()
          const answer = await call('POST', '/refresh', signal, 'refresh')
          if (answer.ok) granted(answer)
          else if (isCsrf(answer.code)) await loadCsrf(signal)
          return { answer }
        })
      } catch (error) {
        return { error }
      }
    }
    return settle(await persist(once, (outcome, tries) => delay(outcome, before, tries)))
  }

  /** Returns the seconds after which a refresh is worth another try. */
  const delay = (outcome: Outcome, before: string, tries: number) => {
    const wait = delayOf(outcome, tries)
    if (wait !== undefined || 'error' in outcome || !isRejected(outcome.answer)) return wait
    if (print() && print() !== before) return 0 // another tab has logged in
    const { code } = outcome.answer
    return (code === 'refresh_superseded' || isCsrf(code)) && tries < 3 ? 0 : undefined
  }

  const settle = async (outcome: Outcome): Promise<Outcome> => {
    if ('error' in outcome) return outcome
    const { answer } = outcome
    if (answer.ok) {
      if (store.session.user && known === print()) set('in', store.session.user)
      // It is another login than this tab knows, or one of which it knows nothing yet.
      else {
        const seen = await look().catch(() => undefined)
        if (!seen || seen.state === 'refreshable') set('in')
      }
      if (!outcome.isDone) tell({ type: 'refreshed' })
    } else if (isRejected(answer) && answer.code && !isCsrf(answer.code) && answer.retryAfter === undefined) {
      const wasIn = store.session.state === 'in'
      set('out')
      if (wasIn) tell({ type: 'signed_out', code: answer.code })
    }
    return outcome
  }

  // --- Never for another user.

  const mark = (): Mark => ({ user: store.session.user?.username, print: print() })

  /** Rejects if another user than the mark's is logged in now. */
  const verify = async (mark: Mark) => {
    const access = place === 'cookie' && cookie('access')
    if (access && access !== print() && access !== mixed) {
      await check()
      mixed = access
    }
    const now = print()
    const isNew = now !== known && (now !== mark.print || store.session.state !== 'unknown')
    if (now && isNew) await check()
    if (store.session.state !== 'in') return
    const user = store.session.user?.username
    const isOther = mark.user && user ? mark.user !== user : mark.print && mark.print !== print()
    if (isOther) throw aborted('Another user has logged in')
  }

  // --- The calls.

  const attempt = async (work: () => Promise<Answer>, done: (answer: Answer) => void) => {
    try {
      const answer = await work()
      if (!answer.ok) return refused(answer)
      done(answer)
      return success()
    } catch (error) {
      return failed(error)
    }
  }

  const login = async (credentials: Credentials) => {
    let seen: Seen | undefined
    const work = async (signal: AbortSignal) => {
      const { username, password, remember = false } = credentials
      const answer = await call('POST', '/login', signal, undefined, { username, password, remember })
      if (!answer.ok) return answer
      if (!answer.data.login) throw new Unexpected(answer)
      granted(answer)
      seen = await ask(signal).catch(() => undefined) // the server knows the name as it is written
      return answer
    }
    return attempt(
      () => hold(work),
      () => {
        set('in', seen?.user)
        tell(seen?.user ? { type: 'signed_in', user: seen.user } : { type: 'signed_in' })
        if (!seen?.user) check().catch(() => {})
      },
    )
  }

  const logout = async () => {
    const mine = mark()
    const work = async () => {
      for (let tries = 1; ; tries += 1) {
        await verify(mine)
        const answer = await hold(async (signal) => {
          if (place === 'body' && !values.refresh) await loadCsrf(signal)
          const answer = await call('POST', '/logout', signal, csrf('refresh') ? 'refresh' : 'access')
          if (isCsrf(answer.code)) await loadCsrf(signal)
          return answer
        })
        if (!isCsrf(answer.code) || tries > 1) return answer
        if (place === 'body') await check() // is it still the same user's session?
      }
    }
    return attempt(work, () => {
      values = {}
      generation += 1
      set('out')
      tell({ type: 'signed_out' })
    })
  }

  const register = ({ username, password }: Omit<Credentials, 'remember'>) =>
    attempt(
      () => call('POST', '/register', undefined, undefined, { username, password }),
      () => {},
    )

  const refresh = async () => {
    const outcome = await renew(true)
    if ('error' in outcome) return failed(outcome.error)
    return outcome.answer.ok ? success() : refused(outcome.answer)
  }

  const rules: Rules<Mark> = {
    life,
    mark,
    verify,
    generation: () => generation,
    ends: () => accessEnds,
    additions(isUnsafe, kind) {
      const token = isUnsafe && csrf(kind)
      return { headers: token ? { 'X-CSRF-TOKEN': token } : {}, credentials: isForeign ? 'include' : undefined }
    },
    renew,
    async regain() {
      if (place === 'body') await check()
      await loadCsrf()
    },
  }

  const sendBy = async <T extends Reply>(outline: Outline, send: (additions: Additions) => Promise<T>) => {
    const { origin: own, href } = new URL(outline.url, isPage ? document.baseURI : here?.href)
    if (own !== origin) return send({ headers: {} })
    if (place === 'body'&& store.session.state === 'unknown') await life.until(until(check(), outline.signal)).catch(() => {})
    return repeat(rules, outline, href === `${base}/refresh` ? 'refresh' : 'access', send)
  }

  const request = async (input: RequestInfo | URL, init?: RequestInit) => {
    const url = new URL(input instanceof Request ? input.url : input, isPage ? document.baseURI : here?.href)
    if (url.origin !== origin) return send(input, init)
    const whole = new Request(input instanceof Request ? input : url, isForeign ? { ...withCookies(input), ...init } : init)
    const isOnce = init?.body instanceof ReadableStream
    return responseOf(await sendBy({ url: whole.url, method: whole.method, signal: whole.signal, isOnce }, replyBy(send, copiesOf(whole, isOnce))))
  }

  const subscribe = (listener: (session: Session) => void) => {
    const end = store.listen(listener)
    if (store.session.state === 'unknown' && isPage) check().catch(() => {})
    return end
  }

  // What other tabs tell decides nothing: this tab asks the server.
  const peers = createPeers(isPage, !!here, `tokenpair ${base}`, (told) => {
    if (told?.type === 'refreshed') return
    calls += 1
    check().catch(() => {})
  })

  const dispose = () => {
    peers.close()
    store.clear()
    life.end(aborted('The client was disposed'))
  }

  return { login, register, logout, refresh, fetch: request, session: () => store.session, check, subscribe, dispose, sendBy }
}
