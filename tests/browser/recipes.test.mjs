// The code of docs/front-end.md, as it stands there, in a browser and against the server.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { blocks, site } from './site.mjs'
import { launch, serve } from './support.mjs'

const PASSWORD = 'correct horse 1'
const PAGE = 'front-end.md'
const packages = fileURLToPath(new URL('node_modules', import.meta.url))
const imports = {
  axios: '/packages/axios/dist/esm/axios.js',
  ky: '/packages/ky/distribution/index.js',
  '@tanstack/query-core': '/packages/@tanstack/query-core/build/modern/index.js',
}
const document = (script) => `<!doctype html><title>app</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script><script type="module">${script}</script>`

const [byHand] = await blocks(PAGE, 'Without a package', 'js')
const [axios, ky, tanstack] = await blocks(PAGE, 'Libraries', 'js')
const ours = `import { createAuth } from '/tokenpair.js'\nconst auth = globalThis.auth = createAuth()\n`
const api = `import { api } from '/api.js'\nglobalThis.api = api\n`
const [greeting] = await blocks(PAGE, 'The browser client', 'html')
const [, prefixed] = await blocks(PAGE, 'One origin, with a prefix', 'js')
const files = {
  '/app': document(api),
  '/api.js': byHand,
  '/axios.js': api + axios,
  '/axios': document(`import { http } from '/axios.js'; globalThis.http = http`),
  '/ky.js': api + ky,
  '/ky': document(`import { http } from '/ky.js'; globalThis.http = http`),
  '/ky-ours.js': `${ours}const api = auth.fetch\n${ky}`,
  '/ky-ours': document(`import { http } from '/ky-ours.js'; globalThis.http = http`),
  '/tanstack.js': ours + tanstack,
  // A bundler puts the environment in.
  '/tanstack': document(`globalThis.process = { env: {} }; const { queries } = await import('/tanstack.js'); globalThis.queries = queries`),
  '/greeting': `<!doctype html><title>app</title><link rel="icon" href="data:,"><body>${greeting}`,
  // A page of Vite's: it must not look into the client, which is at the server.
  '/prefixed': `<!doctype html><title>app</title><link rel="icon" href="data:,"><script type="module">
const { createAuth } = await import(/* @vite-ignore */ new URL('/api/tokenpair.js', location).href)
globalThis.user = async () => {
  ${prefixed}
  return (await response.json()).logged_in_as
}
globalThis.auth = createAuth({ baseUrl: '/api' })
auth.subscribe(() => {})
</script>`,
  '/bare': '<!doctype html><title>bare</title><link rel="icon" href="data:,">',
}

let browser
before(async () => (browser = await launch()))
after(() => browser?.close())

/** Runs a test with a server, a site in front of it and a browser without cookies. Ann and Bob have accounts. */
async function stage(use, settings = {}) {
  const server = await serve(settings)
  const front = await site({ files, folders: { '/packages/': `${packages}/` } })
  front.upstream = server.url
  const context = await browser.newContext()
  try {
    for (const name of ['ann', 'bob']) await server.run(['user', 'add', name, '--password-stdin'], PASSWORD)
    const open = async (path, ready) => {
      const page = await context.newPage()
      await page.goto(front.url + path)
      if (ready) await page.waitForFunction((name) => globalThis[name], ready)
      return page
    }
    await use({ front, server, context, open })
  } finally {
    front.meddle = undefined
    await context.close()
    front.stop()
    await server.stop()
  }
}

/** Logs in without any client. */
const logIn = (context, { url }, username = 'ann') =>
  context.request.post(`${url}/login`, { data: { username, password: PASSWORD }, headers: { Origin: url } })

/** How an access token ends for the browser, before the refresh token. */
const dropAccess = (context) => context.clearCookies({ name: 'access_token_cookie' })

/** Calls the page's `api`, and returns the status and the error code or the user. */
const call = (page, path, init) =>
  page.evaluate(
    async ([path, init]) => {
      const response = await api(path, init)
      const { code, logged_in_as: user } = await response.json()
      return [response.status, code ?? user].join(' ')
    },
    [path, init],
  )

const csrf = (page) => page.evaluate(() => /csrf_refresh_token=([^;]+)/.exec(document.cookie)[1])

/** Answers an app's own route with what was sent to it, if the tokens are good. */
const echo = (front) => {
  const { upstream } = front
  front.meddle = async (seen, answer) => {
    if (seen.path !== '/api/echo') return
    const { cookie } = seen.headers
    const { status } = await fetch(`${upstream}/protected`, { headers: { cookie: cookie ?? '' } })
    const refused = { code: 'missing_token' }
    const { headers, body } = seen
    const sent = { type: headers['content-type'], custom: headers['x-custom'], csrf: headers['x-csrf-token'], body }
    answer.status = status
    answer.headers = { 'content-type': 'application/json' }
    answer.body = JSON.stringify(status === 200 ? sent : refused)
  }
}

test('by hand: ninety requests at the expiry cost one refresh', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    await dropAccess(context)
    const statuses = await page.evaluate(() => {
      const requests = Array.from({ length: 90 }, () => api('/protected').then(({ status }) => status))
      return Promise.all(requests)
    })
    assert.deepEqual([...new Set(statuses)], [200])
    assert.equal(front.count('POST', '/refresh'), 1)
  }))

test('by hand: a wrong password is sent once, and no refresh follows', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    front.seen.length = 0
    const body = JSON.stringify({ username: 'ann', password: 'wrong' })
    const headers = { 'Content-Type': 'application/json' }
    assert.equal(await call(page, '/login', { method: 'POST', headers, body }), '401 bad_credentials')
    assert.deepEqual(front.seen.map(({ path }) => path), ['/login'])
  }))

test('by hand: a refresh that cannot help is not sent', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    await dropAccess(context)
    assert.equal(await call(page, '/protected'), '200 ann')
    front.seen.length = 0
    const body = JSON.stringify({ password: PASSWORD })
    const headers = { 'Content-Type': 'application/json' }
    assert.equal(await call(page, '/account', { method: 'DELETE', headers, body }), '401 fresh_token_required')
    assert.deepEqual(front.seen.map(({ path }) => path), ['/account'])
  }))

test('by hand: what was given to fetch arrives, also after a refresh', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    await dropAccess(context)
    echo(front)
    const answers = await page.evaluate(async () => {
      const headers = new Headers({ 'Content-Type': 'application/json', 'X-Custom': 'kept' })
      const form = new FormData()
      form.append('file', new Blob(['bytes']), 'a.txt')
      const sent = [
        api(new Request('/api/echo', { method: 'POST', headers, body: '{"a":1}' })),
        api('/api/echo', { method: 'PUT', headers, body: 'text' }),
        api(new URL('/api/echo', location), { method: 'PATCH', body: form }),
        api('/api/echo', { method: 'POST', body: new URLSearchParams({ a: '1 2' }) }),
        api('/api/echo'),
      ]
      return Promise.all(sent.map(async (one) => (await one).json()))
    })
    const token = await csrf(page)
    assert.deepEqual(answers.map((one) => one.csrf), [token, token, token, token, undefined])
    assert.deepEqual(answers.slice(0, 2).map(({ type, custom, body }) => [type, custom, body]), [
      ['application/json', 'kept', '{"a":1}'],
      ['application/json', 'kept', 'text'],
    ])
    assert.match(answers[2].body, /filename="a.txt"[^]*\r\n\r\nbytes\r\n/)
    assert.equal(answers[3].body, 'a=1+2')
    assert.equal(front.count('POST', '/refresh'), 1)
  }))

test('by hand: other origins get neither the CSRF token nor a refresh', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    const seen = []
    const other = http.createServer((request, response) => {
      seen.push(request)
      response.writeHead(request.method === 'OPTIONS' ? 204 : 401, { 'Access-Control-Allow-Origin': '*' })
      response.end('{"code":"token_expired"}')
    })
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    front.seen.length = 0
    const url = `http://127.0.0.1:${other.address().port}/`
    assert.equal(await call(page, url, { method: 'POST', body: 'x' }), '401 token_expired')
    other.close()
    assert.deepEqual(seen.map(({ method, headers }) => [method, headers['x-csrf-token']]), [['POST', undefined]])
    assert.deepEqual(front.seen, [])
  }))

test('by hand: an abort rejects at once with its reason, and ends no refresh that others wait for', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    await dropAccess(context)
    let release
    const held = new Promise((reached) => {
      front.meddle = ({ path }) => path === '/refresh' && new Promise((resolve) => reached((release = resolve)))
    })
    await page.evaluate(() => {
      globalThis.control = new AbortController()
      globalThis.aborted = api('/protected', { signal: control.signal }).catch((error) => error)
      globalThis.other = api('/protected')
    })
    await held
    assert.equal(await page.evaluate(() => (control.abort('my reason'), aborted)), 'my reason')
    release()
    assert.equal(await page.evaluate(async () => (await other).status), 200)
    assert.equal(front.count('POST', '/refresh'), 1)

    front.meddle = (_, answer) => Object.assign(answer, { status: 503, headers: { 'retry-after': '20' } })
    const busy = page.waitForResponse((response) => response.status() === 503)
    const waited = page.evaluate(() => {
      globalThis.control = new AbortController()
      return api('/protected', { signal: control.signal }).catch((error) => error)
    })
    await busy
    await page.evaluate(() => control.abort('gone'))
    assert.equal(await waited, 'gone')
  }))

test('by hand: a busy server is waited for, by seconds or by a date', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    const from = Date.now()
    const at = (seconds) => new Date(1_800_000_000_000 + seconds * 1000).toUTCString()
    const dates = { date: at(0), 'retry-after': at(1) }
    const busy = [{ 'retry-after': '1' }, dates]
    front.meddle = (_, answer) => {
      const headers = busy.pop()
      if (headers) Object.assign(answer, { status: 503, headers })
    }
    assert.equal(await call(page, '/protected'), '200 ann')
    assert.ok(Date.now() - from >= 2000)
    // Too long to wait for, or without sense: the caller decides.
    for (const after of ['31', 'soon', '']) {
      front.meddle = (_, answer) =>
        Object.assign(answer, { status: 503, headers: { 'retry-after': after }, body: '{"code":"unavailable"}' })
      assert.equal(await call(page, '/protected'), '503 unavailable')
    }
  }))

test('by hand: trouble of the server or the network is no logout', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    await dropAccess(context)
    front.meddle = ({ path }, answer) => {
      if (path === '/refresh') Object.assign(answer, { status: 500, headers: {}, body: '{"code":"internal_error"}' })
    }
    const three = await page.evaluate(() => {
      const one = async () => (await (await api('/protected')).json()).code
      return Promise.all([one(), one(), one()])
    })
    assert.deepEqual(three, ['internal_error', 'internal_error', 'internal_error'])
    await context.setOffline(true)
    assert.equal(await page.evaluate(() => api('/protected').catch(({ name }) => name)), 'TypeError')
    await context.setOffline(false)
    front.meddle = undefined
    assert.equal(await call(page, '/protected'), '200 ann')
  }))

test('by hand: after a logout elsewhere, and after a change of the secret, the caller gets the refusal', () =>
  stage(async ({ front, server, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    const old = await context.cookies()
    assert.equal(await call(page, '/logout', { method: 'POST' }), '200 ')
    await context.addCookies(old)
    front.seen.length = 0
    assert.equal(await call(page, '/protected'), '401 missing_token')
    assert.deepEqual(front.seen.map(({ path }) => path), ['/protected', '/refresh', '/protected'])

    await logIn(context, front)
    await server.restart({ JWT_SECRET_KEY: 'another secret than the one before, which nobody else knows' })
    front.seen.length = 0
    assert.equal(await call(page, '/protected'), '422 invalid_signature')
    assert.deepEqual(front.seen.map(({ path }) => path), ['/protected', '/refresh', '/protected'])
  }))

test('by hand: an access token that is none is replaced', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/app', 'api')
    const [access] = (await context.cookies()).filter(({ name }) => name === 'access_token_cookie')
    await context.addCookies([{ ...access, value: `${access.value}x` }])
    assert.equal(await call(page, '/protected'), '200 ann')
    assert.equal(front.count('POST', '/refresh'), 1)
  }))

for (const [path, name] of [['/axios', 'axios'], ['/ky', 'ky'], ['/ky-ours', 'ky with the package']]) {
  test(`${name}: requests are refreshed once and carry the CSRF token`, () =>
    stage(async ({ front, context, open }) => {
      await logIn(context, front)
      const page = await open(path, 'http')
      await dropAccess(context)
      echo(front)
      const [users, sent, code] = await page.evaluate(async () => {
        const data = async (answer) => {
          const { data, json } = await answer
          return data ?? (await answer).json()
        }
        const body = { note: 'text' }
        const gets = Array.from({ length: 20 }, () => data(http.get('/protected')))
        const users = (await Promise.all(gets)).map((one) => one.logged_in_as)
        // axios takes the data itself, and ky the options of the request.
        const isAxios = 'interceptors' in http
        const sent = await data(isAxios ? http.post('/api/echo', body) : http.post('/api/echo', { json: body }))
        const wrong = { username: 'ann', password: 'wrong' }
        const refused = isAxios ? http.post('/login', wrong) : http.post('/login', { json: wrong })
        const error = await refused.catch((error) => error)
        return [users, sent, (error.response.data ?? error.data ?? (await error.response.json())).code]
      })
      assert.deepEqual([...new Set(users)], ['ann'])
      assert.deepEqual([sent.csrf, sent.body], [await csrf(page), '{"note":"text"}'])
      assert.equal(code, 'bad_credentials')
      assert.equal(front.count('POST', '/refresh'), 1)
      assert.equal(front.count('POST', '/login'), 2, 'the first one is the test')
    }))
}

test('axios with the two names alone sends the CSRF token', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/axios', 'http')
    const status = await page.evaluate(async () => {
      const { default: axios } = await import('axios')
      const http = axios.create({ xsrfCookieName: 'csrf_refresh_token', xsrfHeaderName: 'X-CSRF-TOKEN' })
      return [(await http.post('/refresh')).status, (await http.post('/logout')).status]
    })
    assert.deepEqual(status, [200, 200])
  }))

test('TanStack Query: nobody sees what was fetched for another user', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/tanstack', 'queries')
    const user = () => page.evaluate(async () => (await queries.fetchQuery({ queryKey: ['/protected'], staleTime: 60_000 })).logged_in_as)
    await page.waitForFunction(() => auth.session().state === 'in')
    await dropAccess(context)
    assert.equal(await user(), 'ann')
    assert.equal(front.count('POST', '/refresh'), 1)
    assert.equal(await page.evaluate(() => queries.getQueryData(['/protected']).logged_in_as), 'ann')
    const bob = await page.evaluate((password) => auth.login({ username: 'bob', password }), PASSWORD)
    assert.equal(bob.ok, true)
    assert.equal(await page.evaluate(() => queries.getQueryData(['/protected'])), undefined)
    assert.equal(await user(), 'bob')
    await page.evaluate(() => auth.logout())
    assert.equal(await page.evaluate(() => queries.getQueryCache().getAll().length), 0)
    front.seen.length = 0
    const status = await page.evaluate(() => queries.fetchQuery({ queryKey: ['/protected'] }).catch((error) => error.status))
    assert.equal(status, 401)
    assert.equal(front.count('GET', '/protected'), 1)
  }))

test('the page with the module says who is logged in', () =>
  stage(async ({ front, context, open }) => {
    const page = await open('/greeting')
    await page.getByText('Please log in').waitFor()
    await logIn(context, front)
    await page.reload()
    await page.getByText('Hello ann').waitFor()
  }))

test('the session, the lost CSRF tokens and the way to the built-in page are as shown', () =>
  stage(async ({ front, context, open }) => {
    await logIn(context, front)
    const page = await open('/bare')
    const run = (code, result) => page.evaluate(`(async () => { ${code}\nreturn ${result} })()`)
    const [session] = await blocks(PAGE, 'Who is logged in', 'js')
    const shown = JSON.parse(session.slice(session.indexOf('// {')).replaceAll('//', ''))
    const asked = await run(session, 'session')
    assert.deepEqual(Object.keys(asked).sort(), Object.keys(shown).sort())
    assert.equal(asked.user.username, 'ann')

    const [lost] = await blocks(PAGE, 'Lost CSRF tokens', 'js')
    assert.ok(lost.includes('https://login.example.org/'))
    await dropAccess(context)
    const here = lost.replaceAll('https://login.example.org', front.url)
    const values = await run(here, 'values')
    assert.deepEqual(values, { csrf_access_token: null, csrf_refresh_token: await csrf(page) })
    assert.equal(front.count('POST', '/refresh'), 1)
    assert.ok((await context.cookies()).some(({ name }) => name === 'access_token_cookie'))

    const [redirect] = await blocks(PAGE, 'The built-in page', 'js')
    await context.clearCookies()
    await page.goto(`${front.url}/bare?a=1`)
    await Promise.all([page.waitForURL(/next=/), page.evaluate(redirect)])
    await page.getByLabel('Username').fill('ann')
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL(`${front.url}/bare?a=1`)
  }))

test('server-side rendering passes on the cookies, and returns those of a reissue', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-recipe-'))
  const [code] = await blocks(PAGE, 'Server-side rendering', 'js')
  const settings = { JWT_ACCESS_TOKEN_EXPIRES: '10m', JWT_REISSUE_WITHIN: '1m', SERVER_TRUSTED_PROXIES: '127.0.0.1' }
  try {
    await stage(async ({ front, server, context }) => {
      await writeFile(join(folder, 'visitor.mjs'), code.replace('http://127.0.0.1:8080', server.url))
      const { forVisitor } = await import(join(folder, 'visitor.mjs'))
      const rendering = http.createServer(async (request, response) => {
        const answer = await forVisitor(request, response, '/protected')
        const { logged_in_as: user, code } = await answer.json()
        response.setHeader('Content-Type', 'text/html').end(`<link rel="icon" href="data:,"><p>${answer.status} ${user ?? code}`)
      })
      rendering.listen(0, '127.0.0.1')
      await once(rendering, 'listening')
      try {
        const url = `http://127.0.0.1:${rendering.address().port}/`
        const page = await context.newPage()
        await page.goto(url)
        assert.equal(await page.locator('p').textContent(), '401 missing_token')
        await logIn(context, front)
        await page.goto(url)
        assert.equal(await page.locator('p').textContent(), '200 ann')
        const before = await context.cookies()
        // From now on, a token that was made before ends soon.
        await server.restart({ ...settings, JWT_REISSUE_WITHIN: '599s' })
        const value = (cookies, wanted) => cookies.find(({ name }) => name === wanted).value
        const renewed = async () => {
          await page.goto(url)
          assert.equal(await page.locator('p').textContent(), '200 ann')
          return value(await context.cookies(), 'access_token_cookie') !== value(before, 'access_token_cookie')
        }
        for (let tries = 0; !(await renewed()); tries += 1) assert.ok(tries < 300, 'no reissue')
        const now = await context.cookies()
        assert.equal(value(now, 'refresh_token_cookie'), value(before, 'refresh_token_cookie'))
      } finally {
        rendering.closeAllConnections()
        rendering.close()
      }
    }, settings)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** Starts Vite as `vite --host` does, with this configuration, and returns its port and its end. */
async function vite(folder, config) {
  await writeFile(join(folder, 'vite.config.mjs'), config)
  await writeFile(join(folder, 'index.html'), files['/prefixed'])
  const { createServer } = await import(new URL('../../examples/spa/node_modules/vite/dist/node/index.js', import.meta.url))
  const options = { root: folder, configFile: join(folder, 'vite.config.mjs'), logLevel: 'error', server: { host: true, port: 0 } }
  const server = await createServer(options)
  await server.listen()
  return { port: server.httpServer.address().port, stop: () => server.close() }
}

test('Vite passes /api on to the server, also under a name of the local network', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tokenpair-vite-'))
  const [config] = await blocks(PAGE, 'One origin, with a prefix', 'js')
  const named = await launch({ args: ['--host-resolver-rules=MAP mybox.lan 127.0.0.1'] })
  try {
    await stage(async ({ server }) => {
      const at = (text) => text.replace('http://127.0.0.1:8080', server.url)
      const visit = async (name, port, use) => {
        const context = await named.newContext()
        const page = await context.newPage()
        await page.goto(`http://${name}:${port}/`)
        await page.waitForFunction(() => globalThis.auth)
        await use(page)
        await context.close()
      }
      const logIn = (page) => page.evaluate((password) => auth.login({ username: 'ann', password }), PASSWORD)
      const within = async (config, use) => {
        const { port, stop } = await vite(folder, config)
        try {
          await use(port)
        } finally {
          await stop()
        }
      }
      await within(at(config), async (port) => {
        for (const name of ['localhost', 'mybox.lan']) {
          await visit(name, port, async (page) => {
            await page.waitForFunction(() => auth.session().state === 'out')
            assert.equal((await logIn(page)).ok, true, name)
            assert.equal(await page.evaluate(() => user()), 'ann')
            assert.equal(await page.evaluate(async () => (await auth.fetch('/api/logout', { method: 'POST' })).status), 200)
          })
        }
      })
      // What the page warns of: Vite makes this of the string.
      const replaced = at(config).replace('changeOrigin: false', 'changeOrigin: true')
      assert.notEqual(replaced, at(config))
      await within(replaced, async (port) => {
        await visit('localhost', port, async (page) => assert.equal((await logIn(page)).ok, true))
        await visit('mybox.lan', port, async (page) => assert.equal((await logIn(page)).code, 'cross_site_request'))
      })
    })
  } finally {
    await named.close()
    await rm(folder, { recursive: true, force: true })
  }
})
