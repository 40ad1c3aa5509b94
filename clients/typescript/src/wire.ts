// Reads the server's responses.

import type { ErrorCode } from './codes.js'
import type { ClientCode, Failure } from './types.js'

export type Code = ErrorCode | ClientCode

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

/** Reads a response, which may be any proxy's. */
export async function read(response: Response): Promise<Answer> {
  const { status, ok, headers } = response
  const text = await response.text()
  const data = parse(text)
  return { status, ok, headers, text, data, code: codeIn(data), retryAfter: retryAfter(headers) }
}

/** Returns the error code of a response and leaves its body unread. */
export async function codeOf(response: Response): Promise<Code | undefined> {
  return codeIn(parse(await response.clone().text()))
}

function parse(text: string): Record<string, any> {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

const codeIn = ({ code }: Record<string, any>) => (typeof code === 'string' ? (code as Code) : undefined)

/** Returns the seconds in `Retry-After`: a number, or a date by the clock of the same response. */
export function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('Retry-After')
  if (!value) return
  const seconds = /^\d+$/.test(value) ? +value : (Date.parse(value) - (Date.parse(headers.get('Date')!) || Date.now())) / 1000
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
  const code = name === 'TimeoutError' ? 'timeout' : 'network_error'
  return { ok: false, code, message: message || 'No response', retryable: true }
}

/** A response that answers nothing, such as a 503 to the question for the session. */
export class Unexpected extends TypeError {
  constructor(readonly answer: Answer) {
    super(`The server responded with the status ${answer.status}`)
  }
}

/** Settles as the work does, or rejects when the signal aborts. */
export const until = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })

/** Waits a little longer than these seconds, so that requests that wait together come apart. */
export const pause = (seconds: number) => new Promise<void>((done) => setTimeout(done, seconds * 1000 + Math.random() * 200))

/** Returns the options that make a request to another origin carry cookies, unless it says otherwise. */
export function withCookies(input: unknown): RequestInit {
  if (!(input instanceof Request)) return { credentials: 'include' }
  const { credentials, referrer, referrerPolicy } = input // any option resets the referrer
  return credentials === 'same-origin' ? { credentials: 'include', referrer, referrerPolicy } : {}
}
