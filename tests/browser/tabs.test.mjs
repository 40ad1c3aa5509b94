// A user with several tabs, through all that can happen to them, on both databases.
//
// TOKENPAIR_RULES names a file for the table of docs/front-end.md: which of these scenarios sign the
// user out under the default rule of rotation, and which under SESSION_REUSE_POLICY=strict.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { playOn, scenarios } from './scenarios.mjs'
import { DATABASES, known, nobodySignedOut, session, stage, withBrowser } from './stage.mjs'
import { launch } from './support.mjs'

// Playwright turns off the cache for the way back.
withBrowser(() => launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] }))

const settings = { DATABASE_WAIT: '1s' }

for (const scenario of scenarios)
  for (const database of scenario.isOfBrowser ? DATABASES.slice(0, 1) : DATABASES)
    test(`${scenario.name} (${database})`, { timeout: 60_000 }, async () => {
      const use = async (stage) => {
        const tabs = await playOn(stage, scenario)
        if (!scenario.isOfRecipe) await nobodySignedOut(tabs)
        assert.equal((await stage.life('ann')).state, 'active')
      }
      await stage(settings, use, { database, isPlain: scenario.isPlain })
    })

/** Plays a scenario under a rule, and returns whether its user had to log in again. */
async function isSignedOut(scenario, rule) {
  let isOut
  const use = async (stage) => {
    // Under the strict rule, what it expects fails.
    const played = playOn(stage, scenario).catch((error) => {
      if (rule === 'recover') throw error
    })
    await Promise.race([played, setTimeout(40_000, undefined, { ref: false })])
    stage.proxy.meddle = undefined
    const page = await stage.context.newPage()
    await page.goto(`${stage.proxy.url}/app`)
    await known(page)
    isOut = (await session(page)).state === 'out'
    assert.equal((await stage.life('ann')).state === 'active', !isOut)
  }
  await stage({ ...settings, SESSION_REUSE_POLICY: rule }, use, { isPlain: scenario.isPlain })
  return isOut
}

if (process.env.TOKENPAIR_RULES)
  test('the default rule signs nobody out where the strict one does', { timeout: 600_000 }, async (context) => {
    const rows = []
    for (const scenario of scenarios) {
      const row = [scenario.name, await isSignedOut(scenario, 'recover'), await isSignedOut(scenario, 'strict')]
      rows.push(row)
      context.diagnostic(row.join(' '))
    }
    const word = (isOut) => (isOut ? '**signed out**' : 'stays logged in')
    const lines = rows.map(([name, ours, strict]) => `| ${name} | ${word(ours)} | ${word(strict)} |`)
    await writeFile(process.env.TOKENPAIR_RULES, ['| scenario | default rule | `SESSION_REUSE_POLICY=strict` |', '|---|---|---|', ...lines, ''].join('\n'))
    assert.equal(rows.filter(([, ours]) => ours).length, 0)
    assert.ok(rows.some(([, , strict]) => strict))
  })
