import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { behind } from './prefix.mjs'
import { assertAccessible, launch, looks, screenshot, serve, watch } from './support.mjs'

let browser
let server
before(async () => {
  browser = await launch()
  // The thief waits for half of it.
  server = await serve({ SESSION_ROTATION_WINDOW: '20s' })
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

/** Opens the page in a browser of its own, and fails at the end if any tab did what it must not. */
async function withDemo(look, of, use) {
  const context = await browser.newContext(look)
  const faults = []
  context.on('page', (page) => faults.push(watch(page, of)))
  const page = await context.newPage()
  await page.goto(`${of.url}/demo`)
  await use(page, context)
  assert.deepEqual(faults.flat(), [])
  await context.close()
}

const step = (page, name) => page.locator(`#step-${name}`)
const newest = (page, name) => step(page, name).locator('details').first()
const press = (page, name) => page.getByRole('button', { name, exact: true }).click()

/** Waits for an exchange in a step's pane: `POST /login 200 OK`. */
async function exchange(page, name, text) {
  const [method, path, ...status] = text.split(' ')
  const summary = newest(page, name).locator('summary').filter({ hasText: `${method} ${path}` })
  await summary.filter({ hasText: status.join(' ') }).waitFor()
  return newest(page, name).locator('pre').textContent()
}

async function logIn(page) {
  await press(page, 'Register and log in')
  return exchange(page, 'login', 'POST /login 200 OK')
}

test('a login shows what is sent, and neither the password nor a token', async () => {
  await withDemo({}, server, async (page, context) => {
    const password = await page.getByLabel('Password').inputValue()
    const raw = await logIn(page)
    assert.match(raw, /^POST \/login HTTP\/1\.1\n/)
    assert.match(raw, /"password": ?"••••••••"/)
    assert.match(raw, /HTTP\/1\.1 200 OK\n[^]*"expires_in": ?3600/)
    const tokens = (await context.cookies()).map(({ value }) => value).filter((value) => value.startsWith('eyJ'))
    assert.equal(tokens.length, 2)
    const text = await page.locator('body').textContent()
    for (const secret of [password, ...tokens]) assert.ok(!text.includes(secret))
    const csrf = (await context.cookies()).find(({ name }) => name === 'csrf_access_token').value
    await page.locator('.token.access').getByText(`${csrf.slice(0, 8)}…`).waitFor()
    await page.locator('.token.access .left').getByText(/^59:\d\d$|^1 h 0 min$/).waitFor()
    await page.locator('.token.refresh .left').getByText(/^29 d 23 h$|^30 d 0 h$/).waitFor()
    // After a reload the times are still there: they are kept, and no secret is.
    await page.reload()
    await page.locator('.token.access .left').getByText(/^59:\d\d$/).waitFor()
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
    for (const secret of [password, csrf, ...tokens]) assert.ok(!kept.includes(secret))
  })
})

test('a refresh needs the CSRF header, and the page sends it', async () => {
  await withDemo({}, server, async (page) => {
    await logIn(page)
    await press(page, 'Without CSRF header')
    assert.match(await exchange(page, 'refresh', 'POST /refresh 401'), /"code": ?"csrf_missing"/)
    await press(page, 'POST /refresh')
    assert.match(await exchange(page, 'refresh', 'POST /refresh 200'), /x-csrf-token: /i)
    await press(page, 'GET /protected')
    assert.match(await exchange(page, 'protected', 'GET /protected 200'), /"logged_in_as": ?"demo-/)
  })
})

test('the page sees an access cookie being reissued', async () => {
  const short = await serve({ JWT_ACCESS_TOKEN_EXPIRES: '30s', JWT_REISSUE_WITHIN: '28s' })
  try {
    await withDemo({}, short, async (page, context) => {
      await logIn(page)
      const token = async () => (await context.cookies()).find(({ name }) => name === 'access_token_cookie').value
      const before = await token()
      await page.locator('.token.access').getByText('The next request gets a new one.').waitFor()
      await page.locator('.token.access .left').getByText(/^0:(2[0-4]|1\d)$/).waitFor()
      assert.equal(await token(), before)
      await press(page, 'GET /protected')
      await page.getByText('Reissued:').waitFor()
      assert.notEqual(await token(), before)
      await page.locator('.token.access .left').getByText(/^0:(30|2[5-9])$/).waitFor()
    })
  } finally {
    await short.stop()
  }
})

test('two tabs race, and a logout in one is noticed in the other', async () => {
  await withDemo({}, server, async (page, context) => {
    await logIn(page)
    const [second] = await Promise.all([context.waitForEvent('page'), page.getByRole('link', { name: 'Open another tab' }).click()])
    await page.getByText('Another tab is open and takes part.').waitFor()
    assert.equal(await second.locator('#tab').textContent(), 'B')
    await press(page, 'Race all tabs')
    await page.getByText('12 of 12 refreshes from 2 tabs answered 200, and this browser is still logged in.').waitFor()
    await page.getByRole('img', { name: 'Answers of tab B: 200, 200, 200, 200, 200, 200' }).waitFor()
    await press(second, 'POST /logout')
    await exchange(second, 'logout', 'POST /logout 200 OK')
    await page.getByText('Tab B logged out. This tab asked the server: GET /protected is now 401 missing_token.').waitFor()
    await page.locator('.token.gone.access').waitFor()
    assert.deepEqual(
      (await context.cookies()).map(({ name }) => name),
      ['device_cookie'],
    )
    await second.close()
    await page.getByText('No other tab is open.').waitFor()
  })
})

test('a copy of a refresh token raises the alarm once it can only be a copy', async () => {
  await withDemo({}, server, async (page) => {
    await logIn(page)
    await press(page, 'Log in, and copy the token')
    const login = await exchange(page, 'thief', 'POST /login 200 OK')
    assert.match(login, /"refresh_token": ?"eyJ[\w-]+\.eyJ[\w-]{13}…"/)
    await press(page, 'Refresh twice as the owner')
    await press(page, 'Present it now')
    await page.getByText('Too early to tell').waitFor()
    await exchange(page, 'thief', 'POST /refresh 200 OK')
    await press(page, 'Present the copy')
    const alarm = await exchange(page, 'thief', 'POST /refresh 401')
    assert.match(alarm, /"code": ?"refresh_token_reused"/)
    assert.ok(!/eyJ[\w-]+\.[\w-]+\.[\w-]+/.test(alarm))
    await press(page, 'Refresh as the owner')
    await exchange(page, 'thief', 'GET /protected 401')
    await page.getByText('The session is over for both').waitFor()
    const statuses = await step(page, 'thief').locator('summary').allTextContents()
    assert.match(statuses[1], /POST \/refreshowner401/)
    // The session in cookies is another one.
    await press(page, 'GET /protected')
    await exchange(page, 'protected', 'GET /protected 200')
  })
})

test('with the strict policy the alarm comes at once, and without tokens in headers it is not offered', async () => {
  const strict = await serve({ SESSION_REUSE_POLICY: 'strict' })
  await withDemo({}, strict, async (page) => {
    await logIn(page)
    await press(page, 'Log in, and copy the token')
    await press(page, 'Refresh twice as the owner')
    await press(page, 'Present the copy')
    assert.match(await exchange(page, 'thief', 'POST /refresh 401'), /"code": ?"refresh_token_reused"/)
  })
  await strict.restart({ JWT_TOKEN_LOCATION: 'cookies', REGISTRATION: 'closed' })
  await withDemo({}, strict, async (page) => {
    await page.getByText('This server takes no tokens from headers').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Register and log in' }).count(), 0)
  })
  await strict.stop()
})

test('the page works behind a path prefix of a proxy', async () => {
  const proxy = await behind('/auth', server)
  await withDemo({}, proxy, async (page) => {
    await logIn(page)
    await press(page, 'POST /refresh')
    await exchange(page, 'refresh', 'POST /refresh 200')
    await page.getByRole('link', { name: 'API' }).click()
    await page.getByText('Logged in as demo-').waitFor()
    assert.equal(new URL(page.url()).pathname, '/auth/docs')
  })
  await proxy.stop()
})

for (const look of looks) {
  test(`the page is accessible, before and after all steps (${look.name})`, async () => {
    await withDemo(look, server, async (page) => {
      await assertAccessible(page)
      await screenshot(page, `demo-empty-${look.name}`)
      await logIn(page)
      await press(page, 'GET /protected')
      await exchange(page, 'protected', 'GET /protected 200')
      await press(page, 'POST /refresh')
      await exchange(page, 'refresh', 'POST /refresh 200')
      await press(page, 'Race all tabs')
      await page.getByText('6 of 6 refreshes').waitFor()
      await press(page, 'Log in, and copy the token')
      await press(page, 'Refresh twice as the owner')
      await page.getByRole('button', { name: 'Present it now' }).waitFor()
      await screenshot(page, `demo-${look.name}`)
      await assertAccessible(page)
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wider <= 0, `${wider} px wider than the window`)
    })
  })
}

test('the whole page can be used by keyboard', async () => {
  await withDemo({ reducedMotion: 'reduce' }, server, async (page) => {
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the steps')
    await page.keyboard.press('Enter')
    const reached = []
    for (let presses = 0; presses < 25; presses += 1) {
      await page.keyboard.press('Tab')
      reached.push(await page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.name))
    }
    for (const name of ['username', 'Register and log in', 'GET /protected', 'POST /refresh', 'Race all tabs', 'POST /logout']) {
      assert.ok(reached.includes(name), `${name}: ${reached}`)
    }
    await page.getByRole('button', { name: 'Register and log in' }).focus()
    await page.keyboard.press('Enter')
    await exchange(page, 'login', 'POST /login 200 OK')
    const moving = await page.evaluate(() => document.getAnimations().length)
    assert.equal(moving, 0)
  })
})
