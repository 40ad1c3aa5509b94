// What the page needs a script for: actions, and changes in other tabs. Then it is rendered anew.

import { createAuth } from '/api/tokenpair.js'

const auth = createAuth({ baseUrl: '/api' })
const rendered = document.documentElement.dataset.user

auth.subscribe(({ state, user }) => {
  const now = state === 'in' ? user?.username : ''
  if (state !== 'unknown' && now !== undefined && now !== rendered) location.reload()
})

const complain = (message) => (document.querySelector('[role=alert]').textContent = message)

document.querySelector('form')?.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { username, password, remember } = event.target.elements
  const credentials = { username: username.value, password: password.value, remember: remember.checked }
  complain('')
  if (event.submitter?.value === 'register') {
    const created = await auth.register(credentials)
    if (!created.ok) return complain(created.message)
  }
  const result = await auth.login(credentials)
  if (!result.ok) complain(result.message)
})

document.querySelector('#logout')?.addEventListener('click', async () => {
  const result = await auth.logout()
  if (!result.ok) complain(result.message)
})

for (const button of document.querySelectorAll('[data-end]')) {
  button.addEventListener('click', async () => {
    const response = await auth.fetch(`/api/sessions/${button.dataset.end}`, { method: 'DELETE' })
    if (!response.ok) return complain((await response.json()).msg)
    location.reload()
  })
}
