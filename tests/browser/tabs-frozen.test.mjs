// Tabs in the background, hidden and frozen: they block nobody, and look at their session when they wake up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, burst, freeze, holdRefresh, isOut, isUser, isWaiting, login, session, stage } from './stage.mjs'

const plain = (name, use) => test(name, () => stage({}, use, { isPlain: true }))

plain('a tab that comes to the front looks at its session once', async ({ proxy, tab, context }) => {
  await context.addInitScript(() => delete globalThis.BroadcastChannel)
  const [one, two] = [await tab('1'), await tab('2')]
  await login(two, 'ann')
  assert.equal((await session(one)).state, 'out')
  proxy.seen.length = 0
  await one.bringToFront()
  await isUser(one, 'ann')
  await one.evaluate(() => auth.fetch('/protected'))
  assert.deepEqual(proxy.seen.filter(({ tab }) => tab === '1').map(({ path }) => path), ['/session', '/protected'])
})

plain('a tab that is frozen in a refresh blocks nobody, and mixes no users when it thaws', async ({ proxy, context, tab }) => {
  const [one, two] = [await tab('1'), await tab('2')]
  await login(one, 'ann')
  await isUser(two, 'ann')
  const held = holdRefresh(proxy)
  await one.evaluate(() => void auth.refresh())
  await held.arrived
  const thaw = await freeze(context, one, two)
  assert.equal((await login(two, 'bob')).ok, true)
  proxy.meddle = undefined
  // With Ann's cookies, which replace Bob's if the browser still takes them. Bob's login has ended her
  // session, so nobody is logged in then.
  held.release()
  await thaw()
  for (const page of [two, one]) {
    for (const answer of await burst(page, 5)) assert.match(answer, /^(200 bob|401 .*|AbortError)$/)
    const { user } = await page.evaluate(() => fetch('/session').then((response) => response.json()))
    assert.notEqual(user?.username, 'ann')
    await page.evaluate(() => auth.check())
    assert.equal((await session(page)).user?.username, user?.username)
  }
})

plain('a tab that is frozen while its login waits blocks nobody, and logs in when it thaws', async ({ tabs, proxy, context }) => {
  const [one, two, three] = await tabs()
  await login(one, 'ann')
  for (const page of [two, three]) await isUser(page, 'ann')
  const held = holdRefresh(proxy, '2')
  const refreshed = two.evaluate(() => auth.refresh())
  await held.arrived
  const entered = login(one, 'bob')
  await isWaiting(two)
  const thaw = await freeze(context, one, two)
  proxy.meddle = undefined
  held.release() // the frozen tab gets the lock next
  assert.equal((await refreshed).ok, true)
  const from = performance.now()
  assert.equal((await three.evaluate(() => auth.refresh())).ok, true)
  assert.deepEqual(await burst(three, 5), all(5, '200 ann'))
  assert.ok(performance.now() - from < 12_000, 'a frozen tab blocked another')
  await thaw()
  assert.equal((await entered).ok, true)
  for (const page of [one, two, three]) {
    await isUser(page, 'bob')
    assert.deepEqual(await burst(page, 5), all(5, '200 bob'))
  }
})

plain('a tab that was frozen during a logout is out when it thaws', async ({ tabs, context }) => {
  const [one, two] = await tabs()
  await login(one, 'ann')
  await isUser(two, 'ann')
  const thaw = await freeze(context, two, one)
  assert.deepEqual(await one.evaluate(() => auth.logout()), { ok: true })
  await thaw()
  await isOut(two)
  assert.deepEqual(await burst(two, 1), ['401 missing_token'])
})
