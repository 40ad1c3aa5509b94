// A proxy that serves a server behind a path prefix, as nginx does with `location /auth/`.

import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** Starts the proxy, and returns its URL with the prefix. Stop it with `await proxy.stop()`. */
export async function behind(prefix, server) {
  const { hostname, port } = new URL(server.url)
  const proxy = createServer((asked, answer) => {
    if (!asked.url.startsWith(`${prefix}/`)) return void answer.writeHead(404).end()
    const path = asked.url.slice(prefix.length)
    const forwarded = request({ hostname, port, path, method: asked.method, headers: asked.headers }, (given) => {
      answer.writeHead(given.statusCode, given.headers)
      given.pipe(answer)
    })
    forwarded.on('error', () => answer.destroy())
    asked.pipe(forwarded)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const stop = async () => {
    proxy.closeAllConnections()
    proxy.close()
    await once(proxy, 'close')
  }
  return { url: `http://127.0.0.1:${proxy.address().port}${prefix}`, stop }
}
