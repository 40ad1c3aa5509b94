import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertAccessible, launch, looks, screenshot, serve } from './support.mjs'

let browser
let server
before(async () => {
  browser = await launch()
  server = await serve()
  await server.run(['user', 'add', 'ada', '--password-stdin'], 'correct horse battery')
})
after(async () => {
  await browser?.close()
  await server?.stop()
})

for (const look of looks) {
  test(`a person logs in and out on the built-in page (${look.name})`, async () => {
    const context = await browser.newContext(look)
    const page = await context.newPage()
    await page.goto(server.url)
    await assertAccessible(page)
    await screenshot(page, `login-${look.name}`)
    await page.getByLabel('Username').fill('ada')
    await page.getByLabel('Password').fill('correct horse battery')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('Hello, ada.').waitFor()
    await assertAccessible(page)
    await page.getByRole('link', { name: 'Log out' }).click()
    await page.getByLabel('Username').waitFor()
    assert.deepEqual(
      (await context.cookies()).map((cookie) => cookie.name),
      ['device_cookie'],
    )
    await context.close()
  })
}
