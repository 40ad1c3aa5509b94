// Logins and logouts in one tab while others load: no answer for one user reaches another.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, asAnn, burst, DATABASES, dropAccess, endLoad, isUser, logOutWhileOthersLoad, login, session, stage, startLoad, withBrowser } from './stage.mjs'
import { launch } from './support.mjs'

withBrowser(() => launch())

const ANSWERS = {
  ann: ['200 ann', '401', 'AbortError'],
  bob: ['200 bob', '401', 'AbortError'],
  nobody: ['401', '200 ann', '200 bob', 'AbortError'],
}

/** Fails if a request that was made for one user got the answer of another. */
function assertApart(tally) {
  for (const key of Object.keys(tally)) {
    const [user, answer] = key.split(': ')
    assert.ok(ANSWERS[user].includes(answer), `a request of ${user} got: ${answer}`)
  }
}

const both = (name, use) => {
  for (const database of DATABASES) test(`${name} (${database})`, () => stage({}, use, { database }))
}

/** What the server says, past the client. */
const truth = (page) => page.evaluate(() => fetch('/session').then(async (response) => (await response.json()).user?.username))

both('a logout in one tab ends the session while others load', async (stage) => {
  const { pages, tallies } = await logOutWhileOthersLoad(stage)
  for (const tally of tallies) assert.ok(tally['ann: 200 ann'] > 0)
  assert.equal(await truth(pages[1]), undefined)
})

both('a login as another user in one tab, while others load and the token expires, mixes no answers', async (stage) => {
  const [one, two, three] = await asAnn(stage)
  for (const page of [two, three]) await startLoad(page)
  for (const name of ['bob', 'ann', 'bob']) {
    await stage.expire()
    await burst(one, 20)
    assert.equal((await login(one, name)).ok, true)
    for (const page of [two, three]) await isUser(page, name)
    assert.deepEqual(await burst(one, 10), all(10, `200 ${name}`))
  }
  for (const page of [two, three]) {
    const tally = await endLoad(page)
    assertApart(tally)
    assert.ok(tally['ann: 200 ann'] > 0 && tally['bob: 200 bob'] > 0)
    assert.deepEqual(await burst(page, 10), all(10, '200 bob'))
  }
})

both('a login, a logout and refreshes at one moment leave all tabs with the same user', async (stage) => {
  const [one, two, three] = await asAnn(stage)
  for (let round = 0; round < 4; round += 1) {
    await stage.expire()
    const load = [burst(two, 20), burst(three, 20)]
    const [entered, left] = await Promise.all([login(one, 'bob'), two.evaluate(() => auth.logout()), three.evaluate(() => auth.refresh())])
    assert.equal(entered.ok, true)
    assert.ok(left.ok || left.code === 'user_changed', left.code)
    await Promise.all(load)
    for (const page of [one, two, three]) await page.evaluate(() => auth.check())
    const name = await truth(one)
    for (const page of [one, two, three]) assert.equal((await session(page)).user?.username, name)
    assert.equal((await login(three, 'ann')).ok, true)
    for (const page of [one, two, three]) await isUser(page, 'ann')
  }
})

both('a late response with the renewed cookie of one user does not act for the next', async (stage) => {
  const [one, two] = await asAnn(stage)
  await stage.advance(3000) // the server renews the cookie after a response
  let held
  const arrived = new Promise((reached) => {
    stage.proxy.meddle = ({ path, tab }, answer) => {
      if (path !== '/api/echo' || tab !== '1') return
      assert.match(String(answer.headers['set-cookie']), /access_token_cookie=/)
      reached()
      return new Promise((release) => (held = release))
    }
  })
  const late = burst(one, 1, '/api/echo')
  await arrived
  assert.equal((await login(two, 'bob')).ok, true)
  held()
  assert.deepEqual(await late, ['AbortError'])
  for (const page of [two, one]) {
    await isUser(page, 'bob')
    await startLoad(page)
    await burst(page, 10)
    const tally = await endLoad(page)
    assertApart(tally)
    assert.deepEqual(Object.keys(tally), ['bob: 200 bob'])
  }
})

for (const action of ['login', 'logout'])
  test(`a ${action} whose response is lost ends the session before, and all tabs know after the next question`, () =>
    stage({}, async (stage) => {
      const pages = await asAnn(stage)
      let lost = 0
      stage.proxy.meddle = ({ path }, answer, response) => {
        if (path !== `/${action}`) return
        assert.equal(answer.status, 200)
        lost += 1
        response.destroy()
        return 'done'
      }
      const result = await pages[0].evaluate((action) => auth[action]({ username: 'bob', password: 'correct horse 1' }), action)
      assert.equal(result.code, 'network_error')
      assert.ok(lost > 0)
      for (const page of pages) {
        assert.deepEqual(await page.evaluate(() => auth.check()), { state: 'out' })
        assert.equal(await truth(page), undefined)
      }
    }))

both('a remembered user logs out after the access cookie has gone, and all cookies go', async (stage) => {
  const page = await stage.tab('1')
  assert.equal((await page.evaluate((password) => auth.login({ username: 'ann', password, remember: true }), 'correct horse 1')).ok, true)
  await dropAccess(stage.context)
  await stage.context.clearCookies({ name: 'csrf_access_token' })
  assert.deepEqual(await page.evaluate(() => auth.logout()), { ok: true })
  const names = (await stage.context.cookies()).map(({ name }) => name)
  assert.deepEqual(names, ['device_cookie'])
  assert.match((await stage.life('ann')).state, /logout/)
})
