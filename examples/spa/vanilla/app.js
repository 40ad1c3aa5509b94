import { createAuth } from '/api/tokenpair.js'

const auth = createAuth({ baseUrl: '/api' })
const $ = (selector) => document.querySelector(selector)
const [form, account] = [$('#login'), $('#account')]

/** Shows why a call failed, in the part of the page that is visible. */
const complain = (message = '') => document.querySelectorAll('[role=alert]').forEach((alert) => (alert.textContent = message))

let shown
auth.subscribe(({ state, user }) => {
  $('#away').hidden = state !== 'unknown'
  form.hidden = state !== 'out'
  account.hidden = state !== 'in'
  $('#name').textContent = user?.username ?? ''
  const now = state === 'in' ? user?.username : undefined
  if (now === shown) return
  shown = now
  complain()
  form.reset()
  $('#sessions').replaceChildren()
  if (now) showSessions().catch(failed)
})

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { username, password, remember } = form.elements
  const credentials = { username: username.value, password: password.value, remember: remember.checked }
  complain()
  if (event.submitter?.value === 'register') {
    const created = await auth.register(credentials)
    if (!created.ok) return complain(created.message)
  }
  const result = await auth.login(credentials)
  if (!result.ok) complain(result.message)
})

$('#logout').addEventListener('click', async () => {
  const result = await auth.logout()
  if (!result.ok) complain(result.message)
})

async function request(path, init) {
  const response = await auth.fetch(`/api${path}`, init)
  const data = await response.json()
  if (!response.ok) throw new Error(data.msg)
  return data
}

// If another user has logged in, the page shows that one already.
const failed = (error) => error.name !== 'AbortError' && complain(error.message)

async function showSessions() {
  const { sessions } = await request('/sessions')
  $('#sessions').replaceChildren(...sessions.map(sessionItem))
}

function sessionItem({ id, device, created_at: at, current }) {
  const item = document.createElement('li')
  const text = document.createElement('span')
  const since = document.createElement('small')
  since.textContent = current ? 'this browser' : `since ${new Date(at).toLocaleString()}`
  text.append(device ?? 'Unknown device', since)
  item.append(text)
  if (current) return item
  const end = document.createElement('button')
  end.textContent = 'End'
  end.addEventListener('click', () => request(`/sessions/${id}`, { method: 'DELETE' }).then(showSessions).catch(failed))
  item.append(end)
  return item
}
