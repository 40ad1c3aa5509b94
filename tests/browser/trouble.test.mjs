// What a person sees while the server refuses or cannot help: too many attempts, and a database that takes no writes.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { assertAccessible, launch, looks, screenshot, serve } from './support.mjs'

const PASSWORD = 'correct horse battery'

/** What the page says, in each language. */
const languages = {
  en: {
    locale: 'en-GB',
    throttled: ['Too many attempts', /^Try again in 1\d minutes\.$/],
    away: ['Temporarily unavailable', /^Try again in 1 second\.$/],
  },
  ko: {
    locale: 'ko-KR',
    throttled: ['시도', /1\d분/],
    away: ['이용할 수 없', /1초/],
  },
}

let browser
before(async () => {
  browser = await launch()
})
after(() => browser?.close())

async function fill(page, fields) {
  for (const [id, value] of Object.entries(fields)) await page.locator(`#${id}`).fill(value)
}

/** Sends the form of the page, and returns the status of the answer. */
async function send(page) {
  const isDocument = (response) => response.request().resourceType() === 'document' && response.status() !== 303
  const [response] = await Promise.all([page.waitForResponse(isDocument), page.locator('main button.primary').click()])
  return response.status()
}

/** Fails unless the error summary says this, is heard at once, and the page is as good as any other. */
async function assertTold(page, [says, advice], name) {
  const alert = page.getByRole('alert')
  const [first, second] = await alert.locator('p').allTextContents()
  assert.ok(first.includes(says), first)
  assert.match(second, advice)
  // The focus is on the summary, because no field is at fault.
  assert.equal(await page.locator('*:focus').getAttribute('role'), 'alert')
  const text = await page.locator('body').textContent()
  for (const code of ['too_many_attempts', 'unavailable_', 'Retry-After', '503', '429']) assert.ok(!text.includes(code), code)
  await assertAccessible(page)
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  assert.equal(wider, 0, 'the page is as wide as the screen')
  await screenshot(page, name)
}

/** Keeps everybody else from writing to the server's database until it is released. */
async function holdDatabase(folder) {
  const hold =
    'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("BEGIN IMMEDIATE"); print(flush=True); sys.stdin.read()'
  const holder = spawn('python3', ['-c', hold, join(folder, 'data', 'tokenpair.db')], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  return async () => {
    const closed = once(holder, 'close')
    holder.stdin.end()
    await closed
  }
}

/** Runs `work` in a browser of its own for each look, in both languages by turns. */
async function inEachLook(work) {
  for (const [index, look] of looks.entries()) {
    const language = [1, 2].includes(index) ? 'ko' : 'en'
    const words = languages[language]
    const context = await browser.newContext({ ...look, locale: words.locale })
    const page = await context.newPage()
    await work(page, words, `${look.name}-${language}`)
    await context.close()
  }
}

test('after too many attempts the page says when to try again, and keeps the name', async () => {
  const server = await serve({ THROTTLE_ACCOUNT: '1/15m' })
  try {
    await server.run(['user', 'add', 'ada', '--password-stdin'], PASSWORD)
    const status = async (page) => {
      await page.goto(server.url)
      await fill(page, { username: 'ada', password: 'wrong' })
      return send(page)
    }
    const context = await browser.newContext()
    const page = await context.newPage()
    for (let tries = 0; (await status(page)) !== 429; tries += 1) assert.ok(tries < 5)
    await context.close()
    await inEachLook(async (page, words, name) => {
      assert.equal(await status(page), 429)
      await assertTold(page, words.throttled, `page-throttled-${name}`)
      assert.equal(await page.locator('#username').inputValue(), 'ada')
      assert.equal(await page.locator('#password').inputValue(), '')
    })
  } finally {
    await server.stop()
  }
})

test('while the database takes no writes the page says so, and the login works afterwards', async () => {
  const server = await serve({ DATABASE_WAIT: '1s', THROTTLE: 'off' })
  try {
    await server.run(['user', 'add', 'ada', '--password-stdin'], PASSWORD)
    const release = await holdDatabase(server.folder)
    try {
      await inEachLook(async (page, words, name) => {
        await page.goto(server.url)
        await fill(page, { username: 'ada', password: PASSWORD })
        assert.equal(await send(page), 503)
        await assertTold(page, words.away, `page-unavailable-${name}`)
        assert.equal(await page.locator('#username').inputValue(), 'ada')
      })
    } finally {
      await release()
    }
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(server.url)
    await fill(page, { username: 'ada', password: PASSWORD })
    assert.equal(await send(page), 200)
    await page.getByText('Hello, ada.').waitFor()
    await context.close()
  } finally {
    await server.stop()
  }
})
