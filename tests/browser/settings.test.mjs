// The pages under settings that change what a browser has to send.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, serve, watch } from './support.mjs'

const PASSWORD = 'correct horse battery'
const ALL = 'GET,HEAD,POST,PUT,PATCH,DELETE'

let browser
before(async () => {
  browser = await launch()
})
after(() => browser?.close())

/** Runs `work` in a page of a server with these settings, which Ada has an account on. */
async function under(settings, work) {
  const server = await serve({ SERVER_DOCS: 'on', ...settings })
  const context = await browser.newContext()
  try {
    await server.run(['user', 'add', 'ada', '--password-stdin'], PASSWORD)
    const page = await context.newPage()
    const faults = watch(page, server)
    await work(page, server)
    assert.deepEqual(faults, [])
  } finally {
    await context.close()
    await server.stop()
  }
}

async function logInAt(page, url) {
  await page.goto(url)
  await page.locator('form').getByLabel('Username').fill('ada')
  await page.locator('form').getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Log in', exact: true }).click()
}

test('without cookies each page says what it cannot do, and does the rest', async () => {
  await under({ JWT_TOKEN_LOCATION: 'headers' }, async (page, server) => {
    await page.goto(server.url)
    await page.getByText('You cannot log in with a browser.').waitFor()
    await logInAt(page, `${server.url}/docs`)
    await page.getByText('Logged in as ada').waitFor()
    await page.goto(`${server.url}/demo`)
    const notice = page.locator('#notice').getByText('This server takes tokens from headers alone')
    await notice.waitFor()
    for (const name of ['GET /protected', 'POST /refresh']) {
      assert.ok(await page.getByRole('button', { name, exact: true }).isDisabled(), name)
    }
    await page.getByRole('button', { name: 'Register and log in', exact: true }).click()
    await page.locator('#step-login details').first().locator('summary').filter({ hasText: '/login' }).waitFor()
    await notice.waitFor()
    await page.locator('#thief').click()
    await page.locator('#step-thief details').first().locator('summary').filter({ hasText: '200 OK' }).waitFor()
  })
})

for (const settings of [{ JWT_CSRF_METHODS: ALL }, { JWT_CSRF_METHODS: ALL, JWT_CSRF_IN_COOKIES: 'false' }, { JWT_CSRF_METHODS: 'PUT' }]) {
  test(`all pages work under ${JSON.stringify(settings)}`, async () => {
    await under(settings, async (page, server) => {
      await logInAt(page, server.url)
      await page.getByText('Hello, ada.').waitFor()
      await page.reload()
      await page.getByText('Hello, ada.').waitFor()
      // The page of the API greets who is logged in already.
      await page.goto(`${server.url}/docs`)
      await page.getByText('Logged in as ada').waitFor()
      await page.goto(`${server.url}/demo`)
      await page.getByRole('button', { name: 'GET /protected', exact: true }).click()
      await page.locator('#step-protected details').first().locator('summary').filter({ hasText: '200 OK' }).waitFor()
      await page.goto(server.url)
      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByText('You are logged out.').waitFor()
    })
  })
}
