// The client as an app uses it. Only the types are checked.

import { createAuth, type Auth, type ErrorCode, type Session } from '@tokenpair/client'

const auth: Auth = createAuth({ baseUrl: 'https://login.example.org', csrf: 'body', onEvent: ({ type }) => type satisfies string })

const result = await auth.login({ username: 'ada', password: 'correct horse', remember: true })
if (result.ok) result.expiresAt satisfies number | undefined
else if (result.code === 'bad_credentials') result.retryable satisfies boolean
else result.code satisfies ErrorCode | 'network_error' | 'timeout' | 'unexpected_response' | 'user_changed'

// @ts-expect-error a code that does not exist
if (!result.ok && result.code === 'bad_credential') throw result

const sent: typeof fetch = auth.fetch
await sent(new Request('/notes'), { method: 'POST', body: new FormData() })

/** React's hook. */
declare function useSyncExternalStore<T>(subscribe: (changed: () => void) => () => void, snapshot: () => T): T
useSyncExternalStore(auth.subscribe, auth.session) satisfies Session

/** Svelte's contract of stores. */
interface Readable<T> {
  subscribe(run: (value: T) => void): () => void
}
auth satisfies Readable<Session>

// Vue
declare function shallowRef<T>(value: T): { value: T }
const session = shallowRef(auth.session())
auth.subscribe((next) => (session.value = next))
