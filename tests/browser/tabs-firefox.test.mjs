// The client in Debian's Firefox, which Playwright drives by WebDriver BiDi.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { firefox } from 'playwright-core'
import { all, asAnn, burst, endLoad, isUser, logOutWhileOthersLoad, login, nobodySignedOut, session, stage, startLoad, withBrowser } from './stage.mjs'

const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr'
const skip = existsSync(executablePath) ? false : 'there is no Firefox'

withBrowser(() => (skip ? undefined : firefox.launch({ channel: 'moz-firefox', executablePath })))

const inFirefox = (name, use) => test(`in Firefox, ${name}`, { skip, timeout: 90_000 }, () => stage({}, use))

inFirefox('three tabs send a hundred requests each at the expiry, with one refresh', async (stage) => {
  const pages = await asAnn(stage)
  await stage.expire()
  assert.deepEqual(await Promise.all(pages.map((page) => burst(page, 100))), all(3, all(100, '200 ann')))
  assert.equal(stage.proxy.count('POST', '/refresh'), 1)
  assert.equal((await stage.life('ann')).generation, 2)
  await nobodySignedOut(pages)
})

inFirefox('a logout in one tab ends the session while others load', async (stage) => {
  await logOutWhileOthersLoad(stage)
})

inFirefox('a login as another user in one tab, while others load and the token expires, mixes no answers', async (stage) => {
  const [one, two, three] = await asAnn(stage)
  for (const page of [two, three]) await startLoad(page)
  await stage.expire()
  await burst(one, 20)
  assert.equal((await login(one, 'bob')).ok, true)
  for (const page of [two, three]) {
    await isUser(page, 'bob')
    const tally = await endLoad(page)
    for (const key of Object.keys(tally)) assert.match(key, /^(ann: 200 ann|bob: 200 bob|nobody: .*|(ann|bob): (401|AbortError))$/)
    assert.deepEqual(await burst(page, 10), all(10, '200 bob'))
    assert.equal((await session(page)).user.username, 'bob')
  }
})
