// Sends a request until its response is no fault of a token, of a busy server or of a lost CSRF token.

import { CURABLE, isCsrf, isRejected, jsonOf, pause, retryAfter, until, type Answer, type Life } from './wire.js'
import type { Additions, Outline, Refusal, Reply } from './types.js'

export type Kind = 'access' | 'refresh'
/** `isDone`: the answer is that there was a newer token already. */
export type Outcome = { answer: Answer; isDone?: boolean } | { error: unknown }

const SAFE = ['GET', 'HEAD', 'OPTIONS']
/** The seconds that one request waits for the server in all. */
export const MAX_WAIT = 30
export const MAX_TRIES = 5
/** A body that cannot be sent twice is not sent with less than these seconds left. */
const AHEAD = 30

/** How one kind of client proves who its user is. */
export interface Rules<Mark> {
  /** Ends all waiting. */
  life?: Life
  /** The seconds that one request waits for the server in all. */
  maxWait?: number
  /** Returns the owner of a new request. */
  mark(): Mark
  /** Rejects if another user is logged in now. */
  verify(mark: Mark): Promise<void>
  /** Counts the tokens that this client has got, so that a late 401 is not blamed on the newest. */
  generation(): number
  /** Returns the milliseconds, by `performance.now()`, at which the access token ends. */
  ends(): number
  /** Returns the proof that a request is the owner's, or throws if another user is logged in. Called for each try. */
  additions(isUnsafe: boolean, kind: Kind, mark: Mark): Additions
  /** Refreshes; if forced, even if there is a newer token already. */
  renew(isForced?: boolean): Promise<Outcome>
  /** Loads a lost CSRF token. */
  regain?(): Promise<void>
}

/** Sends a request by these rules. Returns its response, or the refusal of a refresh. */
export async function repeat<Mark, T extends Reply>(
  rules: Rules<Mark>,
  outline: Outline,
  kind: Kind,
  send: (additions: Additions) => Promise<T>,
): Promise<T | Answer> {
  const { isOnce = false } = outline
  const wait = <T>(work: Promise<T>) => {
    const either = until(work, outline.signal)
    return rules.life?.until(either) ?? either
  }
  const isUnsafe = !SAFE.includes(outline.method.toUpperCase())
  const maxWait = rules.maxWait ?? MAX_WAIT
  const mine = rules.mark()
  if (isOnce && performance.now() + AHEAD * 1000 > rules.ends()) await wait(rules.renew(true))
  let waited = 0
  let isRefreshed = kind === 'refresh'
  let isCsrfLoaded = !rules.regain
  for (let tries = 1; ; tries += 1) {
    await wait(rules.verify(mine))
    const sentAt = rules.generation()
    const added = rules.additions(isUnsafe, kind, mine)
    const reply = await send(added)
    await wait(rules.verify(mine))
    const { status } = reply
    if ((status >= 200 && status < 300) || isOnce || tries === MAX_TRIES) return reply

    const seconds = retryAfter(reply.headers)
    const isBusy = status === 503 || status === 429 || isRejected(reply)
    if (isBusy && seconds !== undefined) {
      if (waited + seconds > maxWait) return reply
      waited += seconds
      await pause(seconds, wait)
      continue
    }
    if (!isRejected(reply)) return reply
    const { code } = await wait(reply.json())
    if (isCsrf(code) && isUnsafe && !isCsrfLoaded) {
      isCsrfLoaded = true
      await wait(rules.regain!())
      if (rules.additions(isUnsafe, kind, mine).headers['X-CSRF-TOKEN'] === added.headers['X-CSRF-TOKEN']) return reply
      continue
    }
    if (!code || !CURABLE.includes(code)) return reply
    if (sentAt !== rules.generation()) continue // it left before the newest token came
    if (isRefreshed) return reply
    const outcome = await wait(rules.renew())
    if ('error' in outcome) throw outcome.error
    const { answer, isDone } = outcome
    isRefreshed = !isDone
    if (answer.ok) continue
    return answer.status >= 500 || answer.status === 429 ? answer : reply
  }
}

/** Refreshes until the answer is known, for as long as `delay` names seconds after which another try is worth it. */
export async function persist(once: () => Promise<Outcome>, delay: (outcome: Outcome, tries: number) => number | undefined, life?: Life) {
  let waited = 0
  for (let tries = 1; ; tries += 1) {
    const outcome = await once()
    const wait = tries < MAX_TRIES ? delay(outcome, tries) : undefined
    if (wait === undefined || waited + wait > MAX_WAIT) return outcome
    waited += wait
    if (wait) await pause(wait, life && ((work) => life.until(work)))
  }
}

/** Returns the seconds after which a refresh that had no answer, or a busy server's, is worth another try. */
export function delayOf(outcome: Outcome, tries: number): number | undefined {
  // The server gives the same successor again, so a lost response costs nothing.
  if ('error' in outcome) return globalThis.navigator?.onLine === false || tries > 2 ? undefined : tries / 2
  return outcome.answer.ok ? undefined : outcome.answer.retryAfter
}

/** A request that is about to be sent, with its headers. */
interface Copy {
  input: RequestInfo | URL
  init?: RequestInit
  headers: Headers
}

/** Returns a function that makes a copy of a request for each try, unless it can be sent only once. */
export const copiesOf = (whole: Request, isOnce: boolean) => (): Copy => {
  const input = isOnce ? whole : whole.clone()
  return { input, headers: input.headers }
}

/** Returns a function that sends a copy of a request with these additions. */
export const replyBy = (send: typeof fetch, copy: () => Copy) => async (additions: Additions) => {
  const { input, init, headers } = copy()
  for (const name in additions.headers) headers.set(name, additions.headers[name]!)
  const response = await send(input, init)
  return { status: response.status, headers: response.headers, json: () => jsonOf(response), response }
}

export function responseOf(result: { response: Response } | Refusal): Response {
  if ('response' in result) return result.response
  const { text, status, headers } = result
  return new Response(text, { status, headers })
}
