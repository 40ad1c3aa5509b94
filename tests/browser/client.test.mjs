// The browser client of clients/typescript, in tabs of one browser and against the server as built.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, burst, dropAccess, events, holdRefresh, isOut, isUser, known, login, session, stage, withBrowser } from './stage.mjs'
import { launch } from './support.mjs'

// Playwright turns off the cache for the way back.
withBrowser(() => launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] }))

test('a login shows who is logged in, in every tab, by the name that the server knows', async () => {
  await stage({}, async ({ tab }) => {
    const [one, two] = [await tab('1'), await tab('2')]
    assert.deepEqual(await session(one), { state: 'out' })
    const result = await login(one, ' ANN ')
    assert.equal(result.ok, true)
    assert.ok(result.expiresAt > Date.now())
    await isUser(two, 'ann')
    const { state, user } = await session(one)
    assert.deepEqual([state, user.username], ['in', 'ann'])
    assert.equal(await one.evaluate(() => auth.session() === auth.session()), true)
    assert.deepEqual(await one.evaluate(() => shown.map(({ state }) => state).slice(-2)), ['out', 'in'])
  })
})

test('a wrong password is sent once, and changes nothing', async () => {
  await stage({}, async ({ proxy, tab }) => {
    const page = await tab('1')
    await login(page, 'ann')
    proxy.seen.length = 0
    const result = await login(page, 'ann', 'wrong')
    assert.deepEqual([result.ok, result.code, result.retryable], [false, 'bad_credentials', false])
    assert.deepEqual(proxy.seen.map(({ path }) => path), ['/login'])
    assert.equal((await session(page)).user.username, 'ann')
  })
})

test('a logout ends the session in tabs that load at that moment, without an error', async () => {
  await stage({}, async ({ proxy, tab }) => {
    const tabs = [await tab('1'), await tab('2'), await tab('3')]
    await login(tabs[0], 'ann')
    for (const page of tabs) await isUser(page, 'ann')
    const loading = tabs.slice(1).map((page) => burst(page, 60))
    const result = await tabs[0].evaluate(() => auth.logout())
    assert.deepEqual(result, { ok: true })
    for (const answer of (await Promise.all(loading)).flat()) assert.match(answer, /^(200 ann|401 (token_revoked|missing_token))$/)
    for (const page of tabs) await isOut(page)
    assert.deepEqual(await burst(tabs[1], 3), all(3, '401 missing_token'))
    assert.equal((await tabs[1].evaluate(() => auth.logout())).ok, true)
    assert.equal(proxy.count('POST', '/login'), 1)
  })
})

test('what waits for one user is not sent for the next', async () => {
  await stage({}, async ({ proxy, tab }) => {
    const [one, two] = [await tab('1'), await tab('2')]
    await login(one, 'ann')
    await isUser(two, 'ann')
    proxy.meddle = ({ tab }, answer) => {
      if (tab !== '1') return
      answer.status = 503
      answer.headers['retry-after'] = '2'
    }
    const busy = one.waitForResponse((response) => response.status() === 503)
    const waiting = burst(one, 5)
    await busy
    assert.equal((await login(two, 'bob')).ok, true)
    proxy.meddle = undefined
    assert.deepEqual(await waiting, all(5, 'AbortError'))
    await isUser(one, 'bob')
    assert.deepEqual(await burst(one, 2), all(2, '200 bob'))
  })
})

test('a tab that has not heard of the next user rejects instead of acting for them', async () => {
  await stage({}, async ({ context, tab }) => {
    await context.addInitScript(() => delete globalThis.BroadcastChannel)
    const [one, two] = [await tab('1'), await tab('2')]
    await login(one, 'ann')
    await two.evaluate(() => auth.check())
    await login(two, 'bob')
    assert.equal((await session(one)).user.username, 'ann')
    assert.equal((await one.evaluate(() => auth.logout())).code, 'user_changed')
    assert.equal((await session(one)).user.username, 'bob')
    await login(two, 'ann')
    assert.deepEqual(await burst(one, 3), all(3, 'AbortError'))
    assert.deepEqual(await burst(one, 3), all(3, '200 ann'))
  })
})

test('a response that is lost after its commit costs no login', async () => {
  await stage({}, async ({ proxy, context, tab }) => {
    const page = await tab('1')
    await login(page, 'ann')
    for (const losses of [1, 2]) {
      await dropAccess(context)
      let left = losses
      proxy.meddle = ({ path }, answer, response) => {
        answer.headers.connection = 'close' // on a connection in use, the browser would try again itself
        if (path !== '/refresh' || left === 0) return
        assert.equal(answer.status, 200)
        left -= 1
        response.destroy()
        return 'done'
      }
      assert.deepEqual(await burst(page, 10), all(10, '200 ann'))
      assert.equal(left, 0)
    }
    assert.deepEqual((await events(page)).filter((type) => type === 'signed_out'), [])
  })
})

test('neither a lost network nor a broken server signs anybody out', async () => {
  await stage({}, async ({ proxy, context, tab }) => {
    const page = await tab('1')
    await login(page, 'ann')
    await dropAccess(context)
    await context.setOffline(true)
    assert.deepEqual(await burst(page, 3), all(3, 'TypeError'))
    assert.equal((await page.evaluate(() => auth.refresh())).code, 'network_error')
    assert.equal((await page.evaluate(() => auth.logout())).code, 'network_error')
    assert.equal((await session(page)).user.username, 'ann')
    proxy.seen.length = 0
    await context.setOffline(false)
    await page.waitForFunction(() => events.some(({ type }) => type === 'refreshed'))
    assert.deepEqual(await burst(page, 3), all(3, '200 ann'))
    assert.equal(proxy.count('POST', '/refresh'), 1)

    await dropAccess(context)
    proxy.meddle = ({ path }, answer) => {
      if (path === '/refresh') Object.assign(answer, { status: 500, headers: {}, body: Buffer.from('{"code":"internal_error"}') })
    }
    assert.deepEqual(await burst(page, 3), all(3, '500 internal_error'))
    assert.equal((await session(page)).user.username, 'ann')
  })
})

test('a hung refresh delays the login of another user, but neither blocks nor replaces it', async () => {
  await stage({}, async ({ proxy, context, tab }) => {
    const [one, two] = [await tab('1'), await tab('2')]
    await login(one, 'ann')
    await isUser(two, 'ann')
    const held = holdRefresh(proxy)
    const refreshed = one.evaluate(() => auth.refresh())
    await held.arrived
    const from = Date.now()
    assert.equal((await login(two, 'bob')).ok, true)
    assert.ok(Date.now() - from < 11_000)
    proxy.meddle = undefined
    held.release() // with Ann's cookies
    await refreshed
    await isUser(one, 'bob')
    const sub = await two.evaluate(() => fetch('/protected').then((response) => response.json()))
    assert.equal(sub.logged_in_as, 'bob')
    assert.equal((await context.cookies()).filter(({ name }) => name === 'csrf_refresh_token').length, 1)
  })
})

test('a page that comes back looks at its session', async () => {
  await stage({}, async ({ proxy, tab }) => {
    const [one, two] = [await tab('1'), await tab('2')]
    await login(one, 'ann')
    await isUser(two, 'ann')
    await one.goto(`${proxy.url}/elsewhere`)
    assert.equal((await two.evaluate(() => auth.logout())).ok, true)
    proxy.seen.length = 0
    await one.goBack({ waitUntil: 'commit' })
    await isOut(one)
    assert.equal(await one.evaluate(() => globalThis.wasKept), true, 'the browser did not keep the page')
    assert.ok(proxy.seen.filter(({ tab }) => tab === '1').length <= 3)
    await login(one, 'ann')
    await isUser(two, 'ann') // the channel is open again
  })
})

test('bodies of all kinds are repeated after a refresh, with the CSRF token', async () => {
  await stage({}, async ({ expire, proxy, tab }) => {
    const page = await tab('1')
    await login(page, 'ann')
    await expire()
    const answers = await page.evaluate(async () => {
      const form = new FormData()
      form.append('note', 'text')
      form.append('file', new Blob(['bytes'], { type: 'text/plain' }), 'a.txt')
      const headers = new Headers({ 'Content-Type': 'application/json' })
      const sent = [
        auth.fetch('/api/echo', { method: 'POST', body: form }),
        auth.fetch('/api/echo', { method: 'PUT', body: new URLSearchParams({ a: '1 2' }) }),
        auth.fetch(new Request('/api/echo', { method: 'POST', headers, body: '{"a":1}' })),
        auth.fetch(new URL('/api/echo', location), { method: 'PATCH', body: new Blob(['blob']) }),
        auth.fetch(new Request('/api/echo', { method: 'POST', body: 'old' }), { body: new Uint8Array([65, 66]) }),
      ]
      return Promise.all(sent.map(async (one) => (await one).json()))
    })
    const csrf = await page.evaluate(() => /csrf_access_token=([^;]+)/.exec(document.cookie)[1])
    assert.deepEqual(answers.map((one) => one.csrf), all(5, csrf))
    assert.match(answers[0].type, /^multipart\/form-data; boundary=/)
    assert.match(answers[0].text, /name="note"\r\n\r\ntext\r\n[^]*filename="a.txt"\r\nContent-Type: text\/plain\r\n\r\nbytes\r\n/)
    assert.deepEqual(answers.slice(1).map(({ type, text }) => [type?.split(';')[0], text]), [
      ['application/x-www-form-urlencoded', 'a=1+2'],
      ['application/json', '{"a":1}'],
      [undefined, 'blob'],
      ['text/plain', 'AB'],
    ])
    assert.equal(proxy.count('POST', '/refresh'), 1)
  })
})

test('an abort ends one request, and not the refresh that others wait for', async () => {
  await stage({}, async ({ expire, proxy, tab }) => {
    const page = await tab('1')
    await login(page, 'ann')
    await expire()
    const held = holdRefresh(proxy)
    await page.evaluate(() => {
      globalThis.control = new AbortController()
      globalThis.aborted = auth.fetch('/protected', { signal: control.signal }).catch((error) => error)
      globalThis.other = auth.fetch('/protected')
    })
    await held.arrived
    assert.equal(await page.evaluate(() => (control.abort('my reason'), aborted)), 'my reason')
    held.release()
    assert.equal(await page.evaluate(async () => (await other).status), 200)
    assert.equal(proxy.count('POST', '/refresh'), 1)
    assert.equal((await session(page)).state, 'in')
  })
})

test('a page on another origin of the site keeps CSRF tokens in memory and gets lost ones back', async () => {
  const settings = ({ port }) => ({ JWT_CSRF_IN_COOKIES: 'false', SERVER_CORS_ORIGINS: `http://app.site.localhost:${port}` })
  await stage(settings, async ({ proxy, server, context, expire }) => {
    const baseUrl = `http://login.site.localhost:${new URL(server.url).port}`
    const options = encodeURIComponent(JSON.stringify({ baseUrl, csrf: 'body' }))
    const open = async () => {
      const page = await context.newPage()
      await page.goto(`http://app.site.localhost:${proxy.port}/app?options=${options}`)
      await known(page)
      return page
    }
    const page = await open()
    assert.equal((await login(page, 'ann')).ok, true)
    const end = () => page.evaluate((url) => auth.fetch(`${url}/sessions`, { method: 'DELETE' }).then(({ status }) => status), baseUrl)
    assert.equal(await end(), 200)
    await page.reload()
    await known(page)
    assert.equal((await session(page)).user.username, 'ann')
    assert.equal(await end(), 200)
    await expire()
    assert.equal(await end(), 200)

    const other = await open()
    assert.equal((await login(other, 'bob')).ok, true)
    await isUser(page, 'bob')
    assert.equal(await end(), 200)
    assert.deepEqual(await other.evaluate(() => auth.logout()), { ok: true })
    await isOut(page)
    assert.equal(await page.evaluate(() => document.cookie), '')
  })
})
