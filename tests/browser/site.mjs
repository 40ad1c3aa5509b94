// A site of its own with pages and scripts, and a proxy to the server for everything else.

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { extname } from 'node:path'

const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html; charset=utf-8' }

/** Returns the code blocks below a heading of a page of the documentation. */
export async function blocks(page, heading, language) {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const section = text.split(/^#{2,3} /m).find((one) => one.startsWith(`${heading}\n`))
  if (!section) throw new Error(`${page} has no section ${heading}`)
  const found = [...section.matchAll(/^```(\S+)\n(.*?)^```$/gms)].filter(([, kind]) => kind === language)
  return found.map(([, , code]) => code)
}

/**
 * Starts the site on a free port of 127.0.0.1.
 *
 * `files` has the texts by their paths, and `folders` the folders whose files are below a path. `site.upstream` is the
 * server's URL. `site.meddle(seen, answer)` may change the server's answer, or wait. `site.seen` lists what was sent to it.
 */
export async function site({ files = {}, folders = {} } = {}) {
  const own = { files, seen: [], meddle: undefined, upstream: undefined }
  const listener = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://site')
    const folder = Object.keys(folders).find((path) => pathname.startsWith(path))
    if (own.files[pathname] ?? folder) {
      const text = own.files[pathname] ?? (await readFile(folders[folder] + pathname.slice(folder.length)))
      return response.setHeader('Content-Type', TYPES[extname(pathname)] ?? TYPES['.html']).end(text)
    }
    const body = Buffer.concat(await request.toArray().catch(() => []))
    const seen = { method: request.method, path: pathname, headers: request.headers, body: body.toString('latin1') }
    own.seen.push(seen)
    const answer = await forward(own.upstream, request, body).catch(() => undefined)
    if (!answer) return response.destroy()
    await own.meddle?.(seen, answer)
    response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  own.port = listener.address().port
  own.url = `http://127.0.0.1:${own.port}`
  own.count = (method, path) => own.seen.filter((one) => one.method === method && one.path === path).length
  own.stop = () => {
    listener.closeAllConnections()
    listener.close()
  }
  return own
}

async function forward(upstream, { method, url, headers }, body) {
  const { hostname, port } = new URL(upstream)
  const request = http.request({ hostname, port, method, path: url, headers, agent: false })
  request.end(body)
  const [response] = await once(request, 'response')
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(await response.toArray()) }
}
