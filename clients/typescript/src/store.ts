// Keeps the session that a client shows, and tells its listeners.

import type { Session, User } from './types.js'

/** Calls a function of the app's. One that throws must not stop the others. */
export function guarded<T>(call: ((value: T) => void) | undefined, value: T) {
  try {
    call?.(value)
  } catch (error) {
    report(error)
  }
}

export function report(error: unknown) {
  ;(globalThis.reportError ?? console.error)(error)
}

export class Store {
  session: Session = { state: 'unknown' }
  #listeners = new Set<(session: Session) => void>()

  set(state: Session['state'], user?: User, expiresAt?: number) {
    const next: Session = { state }
    if (user) next.user = user
    if (state === 'in' && expiresAt) next.expiresAt = expiresAt
    const { session } = this
    const isSame = state === session.state && user?.username === session.user?.username && next.expiresAt === session.expiresAt
    if (isSame) return
    this.session = next
    for (const listener of [...this.#listeners]) guarded(listener, next)
  }

  listen(listener: (session: Session) => void): () => void {
    const own = (session: Session) => listener(session) // the same function may subscribe twice
    this.#listeners.add(own)
    guarded(own, this.session)
    return () => void this.#listeners.delete(own)
  }

  clear() {
    this.#listeners.clear()
  }
}
