// The client as an app uses it. Only the types are checked.

import { createAuth, type Auth, type ErrorCode, type Session } from '@tokenpair/client'
import { addAuth } from '@tokenpair/client/axios'
import { createBearerAuth } from '@tokenpair/client/bearer'
import { authMiddleware } from '@tokenpair/client/openapi-fetch'
import { useSession } from '@tokenpair/client/react'
import { createServerAuth } from '@tokenpair/client/ssr'
import axios from 'axios'
import createClient from 'openapi-fetch'

const auth: Auth = createAuth({ baseUrl: 'https://login.example.org', csrf: 'body', onEvent: ({ type }) => type satisfies string })

const result = await auth.login({ username: 'ada', password: 'correct horse', remember: true })
if (result.ok) result.expiresAt satisfies number | undefined
else if (result.code === 'bad_credentials') result.retryable satisfies boolean
else result.code satisfies ErrorCode | 'network_error' | 'timeout' | 'unexpected_response' | 'user_changed' | 'storage_error'

// @ts-expect-error a code that does not exist
if (!result.ok && result.code === 'bad_credential') throw result

const sent: typeof fetch = auth.fetch
await sent(new Request('/notes'), { method: 'POST', body: new FormData() })

// A page that a server renders, with the session that React's hook starts with.
const incoming = new Request('https://app.example.org/', { headers: { cookie: 'a=b' } })
const page = createServerAuth(incoming, { baseUrl: 'http://127.0.0.1:8080', clientAddress: '203.0.113.7' })
const initial: Session = await page.session()
const paged: typeof fetch = page.fetch
await paged('/notes')
page.setCookies() satisfies string[]
createServerAuth({ headers: { cookie: 'a=b', via: ['x', 'y'], host: undefined } }, { baseUrl: new URL('http://127.0.0.1:8080') })
useSession(auth, initial) satisfies Session
useSession(auth) satisfies Session

/** Svelte's contract of stores. */
interface Readable<T> {
  subscribe(run: (value: T) => void): () => void
}
auth satisfies Readable<Session>

// Vue
declare function shallowRef<T>(value: T): { value: T }
const session = shallowRef(auth.session())
auth.subscribe((next) => (session.value = next))

// Tokens without cookies, in storages with promises and without.
const bearer: Auth = createBearerAuth({ baseUrl: 'https://login.example.org', storage: { get: async () => null, set: async () => {} } })
createBearerAuth({ baseUrl: new URL('https://login.example.org'), storage: { get: () => undefined, set: () => {} }, fetch: auth.fetch })
// @ts-expect-error the address is required
createBearerAuth({})

// Other HTTP clients
interface paths {
  '/protected': { get: { responses: { 200: { content: { 'application/json': { logged_in_as: string } } } } } }
}
const typed = createClient<paths>({ baseUrl: 'https://login.example.org' })
typed.use(authMiddleware(bearer), authMiddleware(auth))
const { data } = await typed.GET('/protected')
data?.logged_in_as satisfies string | undefined
const remove: () => void = addAuth(axios.create(), bearer)
remove()
const reply = await auth.sendBy({ url: '/x', method: 'GET' }, async ({ headers }) => {
  const response = await fetch('/x', { headers })
  return { status: response.status, headers: response.headers, json: () => response.clone().json(), response }
})
if ('response' in reply) reply.response satisfies Response
else reply.text satisfies string
