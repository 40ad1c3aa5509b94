// Makes the pictures of the README, for scripts/pictures: the demo page in light and dark, and a walk with curl.

import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { launch, serve } from './support.mjs'
import { drawWalk, walk } from './walk.mjs'

const [folder] = process.argv.slice(2)
const WIDTH = 1200

const server = await serve()
const browser = await launch()
try {
  await writeFile(join(folder, 'walk.svg'), drawWalk(walk(server)))
  await photograph('light', 'grace')
  await photograph('dark', 'alan')
} finally {
  await browser.close()
  await server.stop()
}

/** Goes through the demo with two tabs, and takes a picture of its upper part. */
async function photograph(colorScheme, username) {
  const context = await browser.newContext({ colorScheme, viewport: { width: WIDTH, height: 900 }, reducedMotion: 'reduce' })
  const page = await context.newPage()
  const other = await context.newPage()
  const press = (name) => page.getByRole('button', { name, exact: true }).click()
  await page.goto(`${server.url}/demo`)
  await other.goto(`${server.url}/demo`)
  await page.getByText('Another tab is open').waitFor()
  await page.getByLabel('Username').fill(username)
  await press('Register and log in')
  await page.locator('#step-login').getByText('POST /login', { exact: true }).waitFor()
  await press('GET /protected')
  await press('POST /refresh')
  await page.locator('#step-refresh').getByText('200 OK').first().waitFor()
  await press('Race all tabs')
  await page.getByText('12 of 12 refreshes').waitFor()
  const end = await page.locator('#step-refresh').evaluate((step) => step.getBoundingClientRect().bottom + scrollY)
  const path = join(folder, `demo-${colorScheme}.png`)
  await page.evaluate(() => document.activeElement.blur())
  await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(end) + 10 } })
  // Few colours, so that the page of the repository loads quickly.
  execFileSync('pngquant', ['--force', '--strip', '--output', path, '--quality', '80-98', path])
  await context.close()
}
