// Reads the server's responses.

import type { ErrorCode } from './codes.js'
import type { ClientCode, Failure, HeaderReader } from './types.js'

export type Code = ErrorCode | ClientCode

/** Codes that a new access token cures. */
export const CURABLE = ['token_expired', 'token_revoked', 'missing_token', 'invalid_signature', 'invalid_token', 'wrong_token_type']

export const isRejected = ({ status }: { status: number }) => status === 401 || status === 422
export const isCsrf = (code: unknown) => code === 'csrf_mismatch' || code === 'csrf_missing'

/** A response that has been read. */
export interface Answer {
  status: number
  ok: boolean
  headers: Headers
  text: string
  /** The JSON object in the body, or an empty one. */
  data: Record<string, any>
  code: Code | undefined
  /** The seconds in `Retry-After`. */
  retryAfter: number | undefined
}

/** Stands for the answer to a refresh that cannot be sent. */
export const noAnswer: Answer = {
  status: 401,
  ok: false,
  headers: /* @__PURE__ */ new Headers(),
  text: '',
  data: { msg: 'There is no refresh token' },
  code: 'missing_token',
  retryAfter: undefined,
}

/** Reads a response, which may be any proxy's. */
export async function read(response: Response): Promise<Answer> {
  const { status, ok, headers } = response
  const text = await response.text()
  const data = parse(text)
  return { status, ok, headers, text, data, code: codeIn(data), retryAfter: retryAfter(headers) }
}

/** Returns the JSON object in a response, whose body stays unread, or an empty one. */
export const jsonOf = async (response: Response) => parse(await response.clone().text())

export function parse(text: string): Record<string, any> {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

const codeIn = ({ code }: Record<string, any>) => (typeof code === 'string' ? (code as Code) : undefined)

/** Returns the seconds in `Retry-After`: a number, or a date by the clock of the same response. */
export function retryAfter(headers: HeaderReader): number | undefined {
  const value = headers.get('Retry-After')
  if (!value || typeof value !== 'string') return
  const seconds = /^\d+$/.test(value) ? +value : (Date.parse(value) - (Date.parse(String(headers.get('Date'))) || Date.now())) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

export function refused(answer: Answer): Failure {
  const { status, data, code, retryAfter } = answer
  const failure: Failure = {
    ok: false,
    code: code ?? 'unexpected_response',
    message: typeof data.msg === 'string' ? data.msg : `The server responded with the status ${status}`,
    retryable: status >= 500 || status === 429 || status === 408 || retryAfter !== undefined,
  }
  if (typeof data.hint === 'string') failure.hint = data.hint
  if (retryAfter !== undefined) failure.retryAfter = retryAfter
  return failure
}

/** Describes a request that got no response. */
export function failed(error: unknown): Failure {
  const { name, message } = Object(error) as Error
  if (error instanceof Unexpected) return refused(error.answer)
  if (name === 'AbortError') return { ok: false, code: 'user_changed', message, retryable: false }
  const code = name === 'TimeoutError' ? 'timeout' : name === 'StorageError' ? 'storage_error' : 'network_error'
  return { ok: false, code, message: message || 'No response', retryable: true }
}

/** A response that answers nothing, such as a 503 to the question for the session. */
export class Unexpected extends TypeError {
  constructor(readonly answer: Answer) {
    super(`The server responded with the status ${answer.status}`)
  }
}

/** Returns the error of a request that was ended on purpose. */
export function aborted(message: string): Error {
  // React Native has no DOMException.
  if (typeof DOMException === 'function') return new DOMException(message, 'AbortError')
  return Object.assign(new Error(message), { name: 'AbortError' })
}

/** Settles as the work does, or rejects when the signal aborts. */
export function until<T>(work: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason ?? aborted('The request was aborted'))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** The time until a client is disposed. Not a signal, as Node warns of more than ten listeners. */
export class Life {
  #stops = new Set<(error: Error) => void>()
  #ended: Error | undefined

  end(error: Error) {
    this.#ended = error
    for (const stop of this.#stops) stop(error)
  }

  /** Settles as the work does, or rejects at the end. */
  until<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#ended) reject(this.#ended)
      this.#stops.add(reject)
      work.then(resolve, reject).finally(() => this.#stops.delete(reject))
    })
  }
}

/** Waits a little longer than these seconds, so that requests that wait together come apart. */
export const pause = (seconds: number, wait = (passed: Promise<void>) => passed) => {
  let timer: ReturnType<typeof setTimeout>
  const passed = new Promise<void>((done) => (timer = setTimeout(done, seconds * 1000 + Math.random() * 200)))
  return wait(passed).finally(() => clearTimeout(timer)) // a timer keeps Node from its end
}

/** Returns the options that make a request to another origin carry cookies, unless it says otherwise. */
export function withCookies(input: unknown): RequestInit {
  if (!(input instanceof Request)) return { credentials: 'include' }
  const { credentials, referrer, referrerPolicy } = input // any option resets the referrer
  return credentials === 'same-origin' ? { credentials: 'include', referrer, referrerPolicy } : {}
}
