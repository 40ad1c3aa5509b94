// Passes /api/… on to the server without the prefix, as the proxy of a real site does.

import http from 'node:http'

export const tokenpair = new URL(process.env.TOKENPAIR_URL ?? 'http://127.0.0.1:8080')

export const isForServer = ({ url }) => url.startsWith('/api/')

/** Starts the site on `PORT`. */
export function listen(site) {
  const port = process.env.PORT ?? 3000
  site.on('error', ({ code, message }) => {
    console.error(code === 'EADDRINUSE' ? `Port ${port} is in use: set PORT to another one` : message)
    process.exit(1)
  })
  site.listen(port, () => console.log(`open http://localhost:${site.address().port}/`))
}

export function pass(request, response) {
  const { method, headers, url } = request
  const passed = http.request(tokenpair, { method, headers, path: url.slice('/api'.length) }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  passed.on('error', (error) => {
    if (response.headersSent) return response.destroy()
    response.writeHead(502, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ msg: `No answer from ${tokenpair.href}: ${error.message}`, code: 'bad_gateway' }))
  })
  request.pipe(passed)
}
