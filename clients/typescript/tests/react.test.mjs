// The hook in React itself: rendered on a server, hydrated in a page, and subscribed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { Window } from 'happy-dom'
import { createAuth } from '../dist/index.js'
import { useSession } from '../dist/react.js'

const json = (status, data) => new Response(JSON.stringify(data), { status })

/** A client whose server knows these users, and the paths that it was asked for. */
function client(user) {
  const paths = []
  const fetch = async (input) => {
    const { pathname } = new URL(input)
    paths.push(pathname)
    if (pathname === '/login') user = 'bob'
    if (pathname === '/logout') user = undefined
    if (pathname === '/session') return json(200, user ? { state: 'in', user: { id: '1', username: user } } : { state: 'out' })
    return json(200, { login: true, expires_in: 3600 })
  }
  return { auth: createAuth({ baseUrl: 'https://login.example.org', csrf: 'body', fetch }), paths }
}

const Name = ({ auth, initial, seen }) => {
  const session = useSession(auth, initial)
  seen?.push(session)
  return createElement('b', null, session.user?.username ?? session.state)
}
const ann = { state: 'in', user: { id: '1', username: 'ann' } }

test('the server renders the session that it is given, and asks for none', () => {
  const { auth, paths } = client('bob')
  assert.equal(renderToString(createElement(Name, { auth, initial: ann })), '<b>ann</b>')
  assert.equal(renderToString(createElement(Name, { auth })), '<b>unknown</b>')
  assert.deepEqual(paths, [])
})

test('a hydrated page shows what the server rendered until it knows better, and each change after that', async () => {
  const { auth } = client('ann')
  const html = renderToString(createElement(Name, { auth, initial: ann }))
  const window = new Window()
  const globals = { window, document: window.document, navigator: window.navigator, IS_REACT_ACT_ENVIRONMENT: true }
  for (const name in globals) Object.defineProperty(globalThis, name, { value: globals[name], configurable: true })
  const { hydrateRoot } = await import('react-dom/client')
  const { act } = await import('react')
  const place = document.createElement('div')
  place.innerHTML = html
  const faults = []
  const seen = []
  let root
  const show = { auth, initial: ann, seen }
  await act(async () => (root = hydrateRoot(place, createElement(Name, show), { onRecoverableError: (error) => faults.push(error) })))
  assert.equal(place.textContent, 'ann')
  await act(() => auth.check())
  await act(() => auth.login({ username: 'bob', password: 'x' }))
  assert.equal(place.textContent, 'bob')
  await act(() => auth.logout())
  assert.equal(place.textContent, 'out')
  assert.deepEqual(faults, [], 'what the server and the page render is equal')
  assert.ok(seen.every(({ state }) => state !== 'unknown'), 'the name never flickers')

  const count = seen.length
  await act(async () => root.unmount())
  await auth.login({ username: 'bob', password: 'x' })
  assert.equal(seen.length, count, 'an unmounted component is left alone')
  await window.happyDOM.close()
})
