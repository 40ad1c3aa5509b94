import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { createAuth } from '@tokenpair/client'
import { useSession } from '@tokenpair/client/react'
import '../style.css'

const auth = createAuth({ baseUrl: '/api' })

function App() {
  const { state, user } = useSession(auth)
  if (state === 'unknown') return <p className="away">The server does not respond. Reload the page to try again.</p>
  if (state === 'out') return <Login />
  // With another user, everything below begins anew.
  return <Account key={user?.username} name={user?.username} />
}

function Login() {
  const [problem, setProblem] = useState('')
  const submit = async (event) => {
    event.preventDefault()
    const fields = new FormData(event.target)
    const credentials = {
      username: fields.get('username'),
      password: fields.get('password'),
      remember: fields.has('remember'),
    }
    setProblem('')
    if (event.nativeEvent.submitter?.value === 'register') {
      const created = await auth.register(credentials)
      if (!created.ok) return setProblem(created.message)
    }
    const result = await auth.login(credentials)
    if (!result.ok) setProblem(result.message)
  }
  return (
    <form onSubmit={submit}>
      <h1>Log in</h1>
      <label>
        Username <input name="username" autoComplete="username" autoCapitalize="none" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" required />
      </label>
      <label className="check">
        <input name="remember" type="checkbox" /> Stay logged in
      </label>
      <button className="primary">Log in</button>
      <button value="register">Create account</button>
      <p role="alert">{problem}</p>
    </form>
  )
}

async function request(path, init) {
  const response = await auth.fetch(`/api${path}`, init)
  const data = await response.json()
  if (!response.ok) throw new Error(data.msg)
  return data
}

function Account({ name }) {
  const [sessions, setSessions] = useState([])
  const [problem, setProblem] = useState('')
  // Rejected with an AbortError, this component is about to go: another user has logged in.
  const failed = (error) => error.name !== 'AbortError' && setProblem(error.message)
  const load = (signal) => request('/sessions', { signal }).then(({ sessions }) => setSessions(sessions), failed)
  useEffect(() => {
    const control = new AbortController()
    load(control.signal)
    return () => control.abort()
  }, [])
  const end = (id) => request(`/sessions/${id}`, { method: 'DELETE' }).then(() => load(), failed)
  const logOut = async () => {
    const result = await auth.logout()
    if (!result.ok) setProblem(result.message)
  }
  return (
    <section>
      <h1>Hello {name}</h1>
      <p>Other tabs know it too: open a second one, and log out there.</p>
      <h2>Your sessions</h2>
      <ul>
        {sessions.map(({ id, device, created_at: at, current }) => (
          <li key={id}>
            <span>
              {device ?? 'Unknown device'}
              <small>{current ? 'this browser' : `since ${new Date(at).toLocaleString()}`}</small>
            </span>
            {!current && <button onClick={() => end(id)}>End</button>}
          </li>
        ))}
      </ul>
      <button className="primary" onClick={logOut}>
        Log out
      </button>
      <p role="alert">{problem}</p>
    </section>
  )
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
