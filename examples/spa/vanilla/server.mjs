// Serves the files of this folder as they are.

import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { isForServer, listen, pass } from '../proxy.mjs'

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript'],
  '/style.css': ['../style.css', 'text/css'],
}

const site = http.createServer(async (request, response) => {
  if (isForServer(request)) return pass(request, response)
  const [name, type] = FILES[request.url.split('?')[0]] ?? []
  if (!name) return response.writeHead(404).end()
  response.setHeader('Content-Type', type).end(await readFile(new URL(name, import.meta.url)))
})
listen(site)
