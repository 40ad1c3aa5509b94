// A server of the tests' own, as `tokenpair serve` starts it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const PASSWORD = 'correct horse 1'

const built = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../../target', import.meta.url))
const program = process.env.TOKENPAIR ?? join(built, 'debug/tokenpair')
const environment = (settings) => ({ PATH: process.env.PATH, SERVER_BIND: '127.0.0.1:0', SERVER_DRAIN: '0', PASSWORD_BCRYPT_COST: '10', ...settings })

const stop = () => process.exit(1)

/** Runs the program to its end. */
async function run(folder, settings, args, input) {
  const child = spawn(program, args, { cwd: folder, env: environment(settings), stdio: ['pipe', 'ignore', 'pipe'] })
  let err = ''
  child.stderr.on('data', (data) => (err += data))
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`tokenpair ${args.join(' ')} ended with ${code}: ${err}`)
}

/** Starts a server in a folder of its own. Ann and Bob have accounts, and Root is an admin. */
export async function serve(settings = {}) {
  if (!existsSync(program)) throw new Error(`${program} is missing: run \`cargo build\`, or set TOKENPAIR to a server's program`)
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-client-'))
  const child = spawn(program, ['serve'], { cwd: folder, env: environment(settings), stdio: ['ignore', 'pipe', 'pipe'] })
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  process.once('SIGTERM', stop) // of the runner, when time is up
  let log = ''
  child.stderr.on('data', (data) => (log += data))
  const url = await new Promise((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (data) => {
      out += data
      const address = /https?:\/\/[^\s/]+/.exec(out)
      if (address) resolve(address[0])
    })
    child.on('close', (code) => reject(new Error(`the server ended with ${code}: ${log}`)))
  })
  const send = async (method, path, token, body) => {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
    const response = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.json()
  }
  await run(folder, settings, ['user', 'add', 'root', '--admin', '--password-stdin'], `${PASSWORD}\n`)
  for (const username of ['ann', 'bob']) await send('POST', '/register', undefined, { username, password: PASSWORD })
  const { access_token: admin } = await send('POST', '/login', undefined, { username: 'root', password: PASSWORD, tokens: 'body' })
  const idOf = async (name) => {
    const { users } = await send('GET', `/admin/users?search=${name}`, admin)
    return users.find(({ username }) => username === name).id
  }
  let turn = 0
  return {
    url,
    /** Revokes a user's access tokens. The refresh tokens stay valid. */
    async revokeAccess(username) {
      turn += 1
      await send('PATCH', `/admin/users/${await idOf(username)}`, admin, { roles: turn % 2 ? ['admin'] : [] })
    },
    /** Ends a user's sessions. */
    async endSessions(username) {
      await send('DELETE', `/admin/users/${await idOf(username)}/sessions`, admin)
    },
    async stop() {
      process.off('exit', end)
      process.off('SIGTERM', stop)
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Starts a server that answers with this function, as an app's own or as a proxy does. */
export async function listen(answer) {
  const listener = http.createServer({ keepAliveTimeout: 0 }, answer) // no connection becomes free by itself
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    stop() {
      listener.closeAllConnections()
      listener.close()
    },
  }
}
