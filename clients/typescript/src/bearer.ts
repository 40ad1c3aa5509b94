// Implements the client of a program that keeps its tokens itself and sends them in a header.

import { copiesOf, delayOf, MAX_TRIES, persist, repeat, replyBy, responseOf, type Outcome, type Rules } from './requests.js'
import { guarded, report, Store } from './store.js'
import { aborted, failed, isRejected, Life, noAnswer, pause, read, refused, Unexpected, until, type Answer } from './wire.js'
import type { Additions, Auth, AuthEvent, Credentials, Outline, Refusal, Reply, Result, Session, User } from './types.js'

export type { ErrorCode } from './codes.js'
export type * from './types.js'

/** Keeps the refresh token while the program does not run, as in the platform's keychain. */
export interface TokenStorage {
  /** Returns the token that was stored last, or nothing. If it rejects, the session stays as it is. */
  get(): Promise<string | null | undefined> | string | null | undefined
  /** Stores the token; `null` removes it. */
  set(token: string | null): Promise<void> | void
}

export interface BearerOptions {
  /** The address of the server, with its path if it is mounted below one. */
  baseUrl: string | URL
  /** Keeps the refresh token. Default: none, so a restart of the program logs out. */
  storage?: TokenStorage
  /** Sends requests. Must not call this client. Default: the global `fetch`. */
  fetch?: typeof fetch
  /** Is called after a change. */
  onEvent?: (event: AuthEvent) => void
}

/** The owner of a request. Each login has a number. */
type Mark = { login: number; user: User | undefined; isVisitor: boolean }
type Pair = { access: string; refresh: string }

/** The milliseconds that a request of the client's own may take, which are many for a phone's network. */
const TIMEOUT = 20_000

/** Makes the client. Make one in a program: each refreshes by itself. */
export function createBearerAuth(options: BearerOptions): Auth {
  const { storage, onEvent } = options
  // React Native's URL is incomplete, so addresses are compared as texts.
  const base = String(options.baseUrl).replace(/\/$/, '')
  const origin = originOf(base)
  if (!origin) throw new TypeError('baseUrl has to be an address with http or https')
  const send: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init))
  const life = new Life()
  const store = new Store()
  if (!storage) store.set('out') // there is nothing to ask about

  let access: string | undefined
  let refreshToken: string | undefined
  let accessEnds = 0
  let expiresAt: number | undefined
  /** Counts logins of this client, and their ends. */
  let login = 0
  /** Counts access tokens, so that a late 401 is not blamed on the newest. */
  let generation = 0
  /** Whether the storage lacks the token in memory. */
  let isUnsaved = false
  let writing: Promise<void> = Promise.resolve()
  /** A change of the password, which replaces both tokens. */
  let changing: Promise<void> | undefined
  let refreshing: { login: number; outcome: Promise<Outcome> } | undefined
  let checking: Promise<Session> | undefined
  let last: Promise<unknown> = Promise.resolve()

  const tell = (event: AuthEvent) => guarded(onEvent, event)
  const success = (): Result => (store.session.expiresAt ? { ok: true, expiresAt: store.session.expiresAt } : { ok: true })

  // --- Requests to the server's own routes.

  const call = async (method: string, path: string, token?: string, body?: unknown): Promise<Answer> => {
    const headers: Record<string, string> = { Accept: 'application/json' }
    if (token) headers.Authorization = `Bearer ${token}`
    // React Native has no AbortSignal.timeout.
    const controller = new AbortController()
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      controller.abort()
    }, TIMEOUT)
    // A cookie would count before the header.
    const init: RequestInit = { method, headers, credentials: 'omit', signal: controller.signal }
    if (body) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(body)
    }
    try {
      return await life.until(send(base + path, init).then(read))
    } catch (error) {
      throw isLate ? Object.assign(new Error('The server did not respond in time'), { name: 'TimeoutError' }) : error
    } finally {
      clearTimeout(timer)
      controller.abort() // a client that was disposed waits no more
    }
  }

  /** Returns the user of an access token, or nothing if the server rejects it. */
  const userOf = async (token: string): Promise<User | undefined> => {
    const answer = await call('GET', '/session', token)
    const { state, user } = answer.data
    if (state === 'in' && user?.username) return { id: user.id, username: user.username }
    if (state) return
    if (answer.status !== 404) throw new Unexpected(answer)
    const older = await call('GET', '/protected', token) // an older server, or an app that has only some of the routes
    if (older.ok && older.data.logged_in_as !== undefined) return { username: String(older.data.logged_in_as) }
    if (!isRejected(older)) throw new Unexpected(older)
    return
  }

  // --- The storage keeps the last write.

  const save = (token: string | null) => {
    if (!storage) return writing
    isUnsaved = true
    writing = writing
      .then(() => storage.set(token))
      .then(() => {
        if (token === (refreshToken ?? null)) isUnsaved = false
      }, report)
    return writing
  }

  /** Returns the newest refresh token. Another process that shares the storage may have got it. */
  const newest = async (): Promise<string | undefined> => {
    await writing
    if (!storage || isUnsaved) return refreshToken
    try {
      return (await storage.get()) || refreshToken
    } catch (error) {
      throw new StorageError('The refresh token could not be read', { cause: error })
    }
  }

  // --- Tokens.

  const pairIn = (data: Record<string, any>): Pair | undefined =>
    typeof data.access_token === 'string' && typeof data.refresh_token === 'string'
      ? { access: data.access_token, refresh: data.refresh_token }
      : undefined

  const adopt = ({ access: newAccess, refresh }: Pair, data: Record<string, any>) => {
    access = newAccess
    refreshToken = refresh
    generation += 1
    accessEnds = data.expires_in > 0 ? performance.now() + data.expires_in * 1000 : 0
    expiresAt = data.refresh_expires_in > 0 ? Date.now() + data.refresh_expires_in * 1000 : undefined
    return save(refresh)
  }

  const drop = () => {
    login += 1
    access = undefined
    refreshToken = undefined
    store.set('out')
  }

  // --- Refreshes: one at a time.

  const renew = () => {
    if (refreshing?.login === login) return refreshing.outcome
    const own = { login, outcome: refresh() }
    refreshing = own
    const end = () => {
      if (refreshing === own) refreshing = undefined
    }
    own.outcome.then(end, end)
    return own.outcome
  }

  const refresh = (): Promise<Outcome> => {
    const mine = login
    let sent: string | undefined
    let isStale = false
    const once = async (): Promise<Outcome> => {
      try {
        isStale = false
        sent = await newest()
        if (mine !== login) return replaced()
        if (!sent) {
          store.set('out')
          return { answer: noAnswer }
        }
        const answer = await call('POST', '/refresh', sent)
        if (mine !== login) return replaced()
        if (answer.ok) return await granted(answer, sent, mine)
        if (answer.code === 'refresh_superseded') await pause(TIMEOUT / 1000, (passed) => Promise.race([passed, changing]))
        if (isRejected(answer) && answer.retryAfter === undefined) isStale = (await newest()) !== sent
        return mine === login ? { answer } : replaced()
      } catch (error) {
        return { error }
      }
    }
    const delay = (outcome: Outcome, tries: number) => {
      if (isStale) return 0
      return 'error' in outcome && outcome.error instanceof StorageError ? undefined : delayOf(outcome, tries)
    }
    return persist(once, delay, life).then(
      (outcome) => settle(outcome, sent, mine),
      (error) => ({ error }),
    )
  }

  /** Returns the outcome of a refresh that a login or logout has overtaken. */
  const replaced = (): Outcome => ({ answer: { ...noAnswer, ok: access !== undefined } })

  const granted = async (answer: Answer, sent: string, mine: number): Promise<Outcome> => {
    const pair = pairIn(answer.data)
    if (!pair) throw new Unexpected(answer)
    const isOwn = sent === refreshToken
    let { user } = store.session
    let isOther = false
    if (!isOwn || !user) {
      // The token is another process's, or of an earlier run. Ask who its user is.
      const found = await userOf(pair.access).catch(() => undefined)
      if (mine !== login) return replaced()
      isOther = Boolean(refreshToken && !isOwn && !isSame(found, user))
      if (isOther) login += 1
      user = found
    }
    const saved = adopt(pair, answer.data)
    store.set('in', user, expiresAt)
    await saved
    tell(!isOther ? { type: 'refreshed' } : user ? { type: 'signed_in', user } : { type: 'signed_in' })
    return { answer }
  }

  const settle = async (outcome: Outcome, sent: string | undefined, mine: number): Promise<Outcome> => {
    if ('error' in outcome || mine !== login) return outcome
    const { answer } = outcome
    const isOver = sent && !answer.ok && isRejected(answer) && answer.code && answer.retryAfter === undefined
    if (!isOver) return outcome
    const wasIn = store.session.state === 'in'
    drop()
    await save(null)
    if (wasIn) tell({ type: 'signed_out', code: answer.code! })
    return outcome
  }

  // --- Never for another user.

  const mark = (): Mark => ({ login, user: store.session.user, isVisitor: store.session.state === 'out' })

  const verify = (mark: Mark) => {
    const { state, user } = store.session
    if (mark.login !== login && state === 'in' && !mark.isVisitor && !isSame(mark.user, user)) throw aborted('Another user has logged in')
  }

  /** The rules for a request of this mark. */
  const rulesOf = (mine: Mark): Rules<Mark> => ({
    life,
    mark: () => mine,
    verify: async () => verify(mine),
    generation: () => generation,
    ends: () => accessEnds,
    additions() {
      verify(mine) // at the very moment at which the token is taken
      return { headers: access ? { Authorization: `Bearer ${access}` } : {}, credentials: 'omit' }
    },
    renew,
  })

  // --- The calls.

  const attempt = async (work: () => Promise<Answer>, done: (answer: Answer) => Promise<void> | void = () => {}) => {
    try {
      const answer = await work()
      if (!answer.ok) return refused(answer)
      await done(answer)
      return success()
    } catch (error) {
      return failed(error)
    }
  }

  /** The same, in the order of the calls: a logout ends the login that was called before it. */
  const attemptInOrder = (...args: Parameters<typeof attempt>): Promise<Result> => {
    const result = last.then(() => attempt(...args))
    last = result
    return result
  }

  const logIn = ({ username, password, remember }: Credentials) => {
    let user: User | undefined
    let old: string | undefined
    return attemptInOrder(
      async () => {
        const answer = await call('POST', '/login', undefined, { username, password, remember, tokens: 'body' })
        if (!answer.ok) return answer
        const pair = pairIn(answer.data)
        if (!pair) throw new Unexpected(answer)
        // The user is known before the tokens count, so no request mixes two users.
        user = await userOf(pair.access).catch(() => undefined) // the server knows the name as it is written
        old = await newest().catch(() => refreshToken)
        return answer
      },
      async (answer) => {
        login += 1
        const saved = adopt(pairIn(answer.data)!, answer.data)
        store.set('in', user, expiresAt)
        if (old) call('POST', '/logout', old).catch(() => {}) // nobody can use that session any more
        await saved
        tell(user ? { type: 'signed_in', user } : { type: 'signed_in' })
      },
    )
  }

  const logOut = async () => {
    const mine = mark()
    return attemptInOrder(
      async () => {
        const token = await newest().catch((error) => {
          if (refreshToken) return refreshToken
          throw error
        })
        if (refreshToken && token !== refreshToken) {
          const outcome = await renew() // another process has stored it: find out who its user is
          if ('error' in outcome) throw outcome.error
          if (!outcome.answer.ok && !isRejected(outcome.answer)) return outcome.answer
        }
        verify(mine)
        const own = refreshToken ?? token
        const answer = own ? await call('POST', '/logout', own) : { ...noAnswer, ok: true }
        verify(mine)
        return answer
      },
      async () => {
        drop()
        await save(null)
        tell({ type: 'signed_out' })
      },
    )
  }

  const register = ({ username, password }: Omit<Credentials, 'remember'>) =>
    attempt(() => call('POST', '/register', undefined, { username, password }))

  const check = () => (checking ??= look().finally(() => (checking = undefined)))

  const look = async (): Promise<Session> => {
    for (let tries = 1; ; tries += 1) {
      const mine = login
      const token = access
      const user = token && (await userOf(token))
      if (mine !== login && tries < MAX_TRIES) continue
      if (user && token === access) {
        store.set('in', user, expiresAt)
        return store.session
      }
      if (token !== access && tries < MAX_TRIES) continue
      const outcome = await renew()
      if ('error' in outcome) throw outcome.error
      if (!outcome.answer.ok && !isRejected(outcome.answer)) throw new Unexpected(outcome.answer)
      if (!outcome.answer.ok || store.session.user || tries === MAX_TRIES) return store.session
    }
  }

  const sendBy = async <T extends Reply>(outline: Outline, by: (additions: Additions) => Promise<T>) => {
    const url = resolve(outline.url)
    if (originOf(url) !== origin) return by({ headers: {} })
    const mine = mark()
    if (!access) {
      const outcome = await life.until(until(renew(), outline.signal))
      if ('error' in outcome) throw outcome.error
      if (!outcome.answer.ok && !isRejected(outcome.answer)) return outcome.answer
    }
    const result = repeat(rulesOf(mine), outline, 'access', by)
    if (url !== `${base}/account/password`) return result
    changing = result.then((reply) => changed(reply, mine)).catch(() => {})
    await changing
    return result
  }

  /** Adopts the tokens that the response to a change of the password brings. */
  const changed = async (reply: Reply | Refusal, mine: Mark) => {
    const data = reply.status === 200 && 'json' in reply ? await reply.json() : {}
    const pair = pairIn(data)
    if (pair && mine.login === login) await adopt(pair, data)
  }

  /** Returns an absolute address. Relative ones are the server's, whatever they contain. */
  const resolve = (url: string) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(url)) return url
    return url.startsWith('/') ? origin + url : `${base}/${url}`
  }

  const request = async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const isRequest = typeof Request === 'function' && input instanceof Request
    const url = resolve(isRequest ? input.url : String(input))
    const headers = new Headers(init.headers ?? (isRequest ? input.headers : {}))
    if (originOf(url) !== origin || headers.has('Authorization')) return send(isRequest ? input : url, init)
    const isOnce = isStream(init.body)
    if (isRequest) {
      const whole = new Request(input, { ...init, ...(input.credentials !== 'include' && { credentials: 'omit' }) })
      return responseOf(await sendBy({ url, method: whole.method, signal: whole.signal, isOnce }, replyBy(send, copiesOf(whole, isOnce))))
    }
    const copy = () => {
      const own = new Headers(headers)
      return { input: url, init: { credentials: 'omit' as const, ...init, headers: own }, headers: own }
    }
    return responseOf(await sendBy({ url, method: init.method ?? 'GET', signal: init.signal, isOnce }, replyBy(send, copy)))
  }

  const subscribe = (listener: (session: Session) => void) => {
    const end = store.listen(listener)
    if (store.session.state === 'unknown') check().catch(() => {})
    return end
  }

  const refreshNow = async () => {
    const outcome = await renew()
    if ('error' in outcome) return failed(outcome.error)
    return outcome.answer.ok ? success() : refused(outcome.answer)
  }

  const dispose = () => {
    store.clear()
    life.end(aborted('The client was disposed'))
  }

  return { login: logIn, register, logout: logOut, refresh: refreshNow, fetch: request, session: () => store.session, check, subscribe, dispose, sendBy }
}

class StorageError extends Error {
  override name = 'StorageError'
}

const isSame = (one: User | undefined, other: User | undefined) =>
  one !== undefined && other !== undefined && (one.id && other.id ? one.id === other.id : one.username === other.username)

/** A stream cannot be sent twice. */
const isStream = (body: any) => Boolean(body && (body.getReader || body[Symbol.asyncIterator]))

/**
 * Returns the origin of an absolute address without its usual port, or an empty text. Where platforms
 * disagree on the host, as with a backslash before an @, the origin is nobody's.
 */
export function originOf(url: string): string {
  const [, scheme, host] = /^(https?):\/\/([^/?#]+)/i.exec(url) ?? []
  if (!scheme || !host) return ''
  const usual = scheme.toLowerCase() === 'https' ? ':443' : ':80'
  const lower = host.toLowerCase()
  return `${scheme.toLowerCase()}://${lower.endsWith(usual) ? lower.slice(0, -usual.length) : lower}`
}
