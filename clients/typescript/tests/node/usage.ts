// The entries for programs of Node's, without the types of a browser. Only the types are checked.

import { createServer } from 'node:http'
import { createBearerAuth } from '@tokenpair/client/bearer'
import { createServerAuth } from '@tokenpair/client/ssr'

createServer(async (request, response) => {
  const auth = createServerAuth(request, { baseUrl: 'http://127.0.0.1:8080' })
  const sent: typeof fetch = auth.fetch
  await sent('/protected', { method: 'POST', body: 'text' })
  response.setHeader('Set-Cookie', auth.setCookies())
})

const auth = createBearerAuth({ baseUrl: 'http://127.0.0.1:8080' })
const sent: typeof fetch = auth.fetch
await sent('/protected')
