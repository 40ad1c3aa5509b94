import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { behind } from './prefix.mjs'
import { assertAccessible, launch, looks, screenshot, serve, watch } from './support.mjs'

const PASSWORD = 'correct horse battery'

let browser
let server
before(async () => {
  browser = await launch()
  server = await serve()
  await server.run(['user', 'add', 'ada', '--password-stdin'], PASSWORD)
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

/** Opens the page, and fails at the end if it did what it must not. */
async function withDocs(look, of, use) {
  const context = await browser.newContext(look)
  const page = await context.newPage()
  const faults = watch(page, of)
  await page.goto(`${of.url}/docs`)
  await page.locator('.opblock').first().waitFor()
  await use(page, context)
  assert.deepEqual(faults, [])
  await context.close()
}

async function logIn(page, place) {
  await page.locator('#login').getByLabel('Username').fill('ada')
  await page.locator('#login').getByLabel('Password').fill(PASSWORD)
  await page.getByLabel(place).check()
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByText('Logged in as ada').waitFor()
}

/** Executes an operation by its form, and returns the request and the status and body of its answer. */
async function execute(page, id, body) {
  const block = page.locator(`.opblock[id$="-${id}"]`)
  if (!(await block.evaluate((block) => block.classList.contains('is-open')))) await block.locator('.opblock-summary-control').click()
  if (body) await block.locator('textarea.body-param__text').fill(JSON.stringify(body))
  // Not the page's own requests for CSRF values and icons.
  const isOfRoute = (response) => response.request().resourceType() === 'fetch' && new URL(response.url()).pathname !== '/csrf'
  const [response] = await Promise.all([page.waitForResponse(isOfRoute), block.getByRole('button', { name: 'Execute' }).click()])
  await block.locator('.live-responses-table .response-col_status').first().waitFor()
  return { request: response.request(), status: response.status(), answer: await response.json() }
}

test('a person logs in with cookies and calls routes with the right CSRF header', async () => {
  await withDocs({}, server, async (page, context) => {
    await logIn(page, 'in cookies')
    await page.getByText('The curl lines that this page shows lack the cookies').waitFor()
    const values = Object.fromEntries((await context.cookies()).map(({ name, value }) => [name, value]))
    const sent = async ({ request }) => (await request.allHeaders())['x-csrf-token']
    const protectedRoute = await execute(page, 'getProtected')
    assert.deepEqual(protectedRoute.answer, { logged_in_as: 'ada' })
    assert.equal(await sent(protectedRoute), undefined)
    const others = await execute(page, 'endOtherSessions')
    assert.equal(others.status, 200)
    assert.equal(await sent(others), values.csrf_access_token)
    const refresh = await execute(page, 'refreshTokens')
    assert.equal(refresh.status, 200)
    assert.equal(refresh.answer.access_token, undefined)
    assert.equal(await sent(refresh), values.csrf_refresh_token)
    const logout = await execute(page, 'logOut')
    assert.equal(logout.status, 200)
    assert.equal(await sent(logout), values.csrf_access_token)
    await page.locator('#login').getByLabel('Username').waitFor()
    assert.equal((await execute(page, 'getProtected')).status, 401)
  })
})

test('a person logs in with tokens in the header, and each route gets its own', async () => {
  await withDocs({}, server, async (page, context) => {
    await logIn(page, 'in the header')
    assert.ok(await page.locator('#curl').isHidden())
    assert.deepEqual(await context.cookies(), [])
    const claims = async ({ request }) => {
      const token = (await request.allHeaders()).authorization.split(' ')[1]
      return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
    }
    const first = await execute(page, 'getProtected')
    assert.deepEqual(first.answer, { logged_in_as: 'ada' })
    assert.equal((await claims(first)).type, 'access')
    const refresh = await execute(page, 'refreshTokens')
    assert.equal(refresh.status, 200)
    assert.equal((await claims(refresh)).type, 'refresh')
    // The page goes on with the pair of the answer.
    const second = await execute(page, 'getAccount')
    assert.equal(second.answer.username, 'ada')
    assert.notEqual((await claims(second)).jti, (await claims(first)).jti)
    const changed = await execute(page, 'changePassword', { current_password: PASSWORD, new_password: PASSWORD })
    assert.equal(changed.answer.code, 'fresh_token_required')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.locator('#login').getByLabel('Username').waitFor()
    assert.equal((await execute(page, 'getAccount')).status, 401)
  })
})

test('no group of routes is empty, and every route is in a group', async () => {
  await withDocs({}, server, async (page) => {
    const groups = await page.locator('.opblock-tag-section').evaluateAll((all) =>
      all.map((one) => [one.querySelector('[data-tag]').dataset.tag, one.querySelectorAll('.opblock').length]),
    )
    const { tags, paths } = await (await page.request.get(`${server.url}/openapi.json`)).json()
    const routes = Object.values(paths).flatMap((path) => Object.values(path).filter(({ operationId }) => operationId))
    assert.deepEqual(groups.filter(([, count]) => count === 0), [])
    assert.deepEqual(groups.map(([tag]) => tag).sort(), tags.map(({ name }) => name).sort())
    assert.equal(groups.reduce((sum, [, count]) => sum + count, 0), routes.length)
  })
})

test('a login by Execute counts, and a wrong password is told', async () => {
  await withDocs({}, server, async (page) => {
    await page.locator('#login').getByLabel('Username').fill('ada')
    await page.locator('#login').getByLabel('Password').fill('not this one')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('401: Bad username or password.').waitFor()
    const login = await execute(page, 'logIn', { username: 'ada', password: PASSWORD })
    assert.equal(login.status, 200)
    await page.getByText('Logged in as ada').waitFor()
    await page.getByRole('button', { name: 'Refresh', exact: true }).click()
    await page.getByText('The tokens were refreshed.').waitFor()
  })
})

test('the page uses the names that the settings give, and a server without CSRF cookies', async () => {
  const renamed = await serve({ JWT_CSRF_IN_COOKIES: 'false', JWT_ACCESS_CSRF_HEADER_NAME: 'X-Proof', JWT_HEADER_TYPE: 'none' })
  try {
    await renamed.run(['user', 'add', 'ada', '--password-stdin'], PASSWORD)
    await withDocs({}, renamed, async (page) => {
      await logIn(page, 'in cookies')
      const others = await execute(page, 'endOtherSessions')
      assert.equal(others.status, 200)
      assert.ok((await others.request.allHeaders())['x-proof'])
      await page.getByRole('button', { name: 'Log out' }).click()
      await logIn(page, 'in the header')
      assert.equal((await execute(page, 'getAccount')).status, 200)
    })
  } finally {
    await renamed.stop()
  }
})

test('the page works behind a path prefix of a proxy', async () => {
  const proxy = await behind('/auth', server)
  await withDocs({}, proxy, async (page) => {
    await logIn(page, 'in cookies')
    const refresh = await execute(page, 'refreshTokens')
    assert.equal(refresh.status, 200)
    assert.equal(new URL(refresh.request.url()).pathname, '/auth/refresh')
    await execute(page, 'logOut')
    await page.locator('#login').getByLabel('Username').waitFor()
  })
  await proxy.stop()
})

for (const look of looks) {
  test(`the page is accessible around Swagger UI (${look.name})`, async () => {
    await withDocs(look, server, async (page) => {
      await screenshot(page, `docs-${look.name}`)
      await logIn(page, 'in cookies')
      await execute(page, 'getProtected')
      await screenshot(page, `docs-open-${look.name}`)
      await assertAccessible(page, { exclude: ['#swagger-ui'] })
    })
  })
}
