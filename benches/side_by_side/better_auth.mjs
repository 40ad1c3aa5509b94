// A session check with better-auth as in its documentation, with its cookie cache on, in one process per core.
import cluster from 'node:cluster'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node'
import Database from 'better-sqlite3'

const port = Number(process.env.PORT)
const options = {
  database: new Database(process.env.DATABASE),
  secret: process.env.JWT_SECRET_KEY,
  baseURL: `http://127.0.0.1:${port}`,
  emailAndPassword: { enabled: true },
  session: { cookieCache: { enabled: true, maxAge: 5 * 60 } },
  telemetry: { enabled: false }
}

if (cluster.isPrimary) {
  await (await getMigrations(options)).runMigrations()
  for (let n = 0; n < availableParallelism(); n++) cluster.fork()
} else {
  const auth = betterAuth(options)
  const others = toNodeHandler(auth)
  createServer(async (request, response) => {
    if (request.url !== '/protected') return others(request, response)
    const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) })
    response.writeHead(session ? 200 : 401, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(session ? { logged_in_as: session.user.name } : { msg: 'Unauthorized' }))
  }).listen(port, '127.0.0.1')
}
