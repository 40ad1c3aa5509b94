// React's hook.

import { useSyncExternalStore } from 'react'
import type { Auth, Session } from './types.js'

const UNKNOWN: Session = { state: 'unknown' }

/**
 * Returns the session, and renders again when it changes.
 *
 * `initial` is the session that the server rendered the page with. It counts on the server, during
 * hydration, and until the browser has asked for itself.
 */
export function useSession(auth: Pick<Auth, 'subscribe' | 'session'>, initial: Session = UNKNOWN): Session {
  const current = () => (auth.session().state === 'unknown' ? initial : auth.session())
  return useSyncExternalStore(auth.subscribe, current, () => initial)
}
