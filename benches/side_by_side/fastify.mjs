// The route as in @fastify/jwt's documentation, in one process per core.
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import cookie from '@fastify/cookie'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'

if (cluster.isPrimary) {
  for (let n = 0; n < availableParallelism(); n++) cluster.fork()
} else {
  const app = Fastify()
  app.register(cookie)
  app.register(jwt, { secret: process.env.JWT_SECRET_KEY, cookie: { cookieName: 'access_token_cookie', signed: false } })
  app.post('/token', async () => ({ access_token: app.jwt.sign({ sub: 'ada' }, { expiresIn: '1h' }) }))
  app.get('/protected', { onRequest: (request) => request.jwtVerify() }, async (request) => ({ logged_in_as: request.user.sub }))
  await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
}
