import type { ErrorCode } from './codes.js'

/** Failures that have no response of the server, or an unknown one. */
export type ClientCode =
  /** The server could not be reached. The session is as before. */
  | 'network_error'
  /** The server did not respond in time. The session is as before. */
  | 'timeout'
  /** The response is not the server's, as from a proxy. */
  | 'unexpected_response'
  /** Another user has logged in, in another tab. */
  | 'user_changed'
  /** Of `/bearer`: the storage could not be read. The session is as before. */
  | 'storage_error'

export interface Success {
  ok: true
  /** As in {@link Session.expiresAt}. */
  expiresAt?: number
}

export interface Failure {
  ok: false
  code: ErrorCode | ClientCode
  /** A text for people, in English. */
  message: string
  /** The next action, for developers. */
  hint?: string
  /** Whether the same call may succeed later. */
  retryable: boolean
  /** The seconds to wait before that. */
  retryAfter?: number
}

export type Result = Success | Failure

export interface User {
  /** Absent if the server has no `GET /session`. */
  id?: string
  username: string
}

/** An immutable value. A change makes a new object, so compare with `===`. */
export interface Session {
  /** `unknown` until the server has been asked. */
  state: 'unknown' | 'in' | 'out'
  /** Absent while it is not known. */
  user?: User
  /**
   * The time at which an unused session ends, in milliseconds since 1970 by the local clock.
   * For display. Absent while it is not known.
   */
  expiresAt?: number
}

export type AuthEvent =
  | { type: 'signed_in'; user?: User }
  | { type: 'refreshed' }
  /** `code` is absent after a logout. */
  | { type: 'signed_out'; code?: string }

export interface Options {
  /** The address of the server, with its path if it is mounted below one. Default: the page's origin. */
  baseUrl?: string | URL
  /**
   * Where CSRF tokens are: in cookies, or in the JSON of responses (`JWT_CSRF_IN_COOKIES=false`).
   * Default: `cookie`.
   */
  csrf?: 'cookie' | 'body'
  /** `JWT_COOKIE_PREFIX` of the server: `__Host-` or `__Secure-`. Default: none. */
  cookiePrefix?: string
  /** Sends requests. Must not call this client. Default: the global `fetch`. */
  fetch?: typeof fetch
  /** Is called after this tab has noticed a change. */
  onEvent?: (event: AuthEvent) => void
}

export interface Credentials {
  username: string
  password: string
  /** Whether the login outlives the browser's window. Default: false. */
  remember?: boolean
}

/** A request that another client than `fetch` sends. */
export interface Outline {
  url: string
  method: string
  signal?: AbortSignal | null | undefined
  /** Whether the body cannot be sent twice, as a stream. Default: false. */
  isOnce?: boolean
}

/** Headers and options that make a request the user's. */
export interface Additions {
  headers: Record<string, string>
  /** The `credentials` of `fetch`, if other than usual. */
  credentials?: 'include' | 'omit' | undefined
}

export interface HeaderReader {
  get(name: string): unknown
}

/** A response that another client than `fetch` has got. */
export interface Reply {
  status: number
  headers: HeaderReader
  /** Returns the JSON object in the body, which stays readable, or an empty object. Called if the client has to look. */
  json(): Promise<Record<string, any>>
}

/** The server's refusal of a refresh, or that of a proxy. */
export interface Refusal {
  status: number
  headers: Headers
  text: string
}

export interface Auth {
  /** Logs in. Requests that wait for another user's session reject with an `AbortError`. */
  login(credentials: Credentials): Promise<Result>
  /** Creates an account. Does not log in. */
  register(credentials: Omit<Credentials, 'remember'>): Promise<Result>
  /** Ends the session in all tabs. */
  logout(): Promise<Result>
  /** Gets a new access token now. `fetch` does so when it needs to. */
  refresh(): Promise<Result>
  /**
   * Sends a request as the global `fetch` does, and to the server's origin with the CSRF token,
   * with refreshes, and with retries after a 429 or 503.
   *
   * Rejects with an `AbortError` if another user has logged in meanwhile.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
  /**
   * Sends a request by other means than `fetch`, by the same rules: calls `send` for each try.
   * Resolves to its last reply, or to the response of a refresh that failed with a 429 or 5xx.
   */
  sendBy<T extends Reply>(outline: Outline, send: (additions: Additions) => Promise<T>): Promise<T | Refusal>
  /** Returns what this tab knows of the session. Sends nothing. */
  session(): Session
  /** Asks the server, and refreshes if only the access token has expired. Rejects without a response. */
  check(): Promise<Session>
  /**
   * Calls the listener now and after each change, until the returned function is called.
   * The first subscription asks the server if the state is unknown.
   */
  subscribe(listener: (session: Session) => void): () => void
  /** Removes all listeners and rejects waiting requests. */
  dispose(): void
}
