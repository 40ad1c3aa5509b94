// Orders refreshes, logins and logouts in all tabs. Without that, the late response to one user's
// refresh could replace the cookies of the next user's login, and each tab would refresh by itself.

/** The milliseconds that the holder's requests may take, all together. */
export const HELD = 8_000

/** The milliseconds to wait for a lock. Only a frozen tab holds it for longer than `HELD`. */
export const PATIENCE = HELD + 1_000

type Work<T> = (signal: AbortSignal) => Promise<T>
export type Hold = <T>(work: Work<T>) => Promise<T>

/**
 * Returns a function that runs work under the lock of that name. Without it, the server resolves the
 * races. The work gets a signal that ends its requests, and must not wait for anything else: neither
 * for this lock nor for the app's code.
 */
export function createLock(name: string): Hold {
  // The order in this tab, for browsers without locks and for pages that are not secure.
  let last: Promise<unknown> = Promise.resolve()

  const inThisTab = <T>(work: Work<T>) => {
    const result = last.then(() => work(AbortSignal.timeout(HELD)))
    last = result.catch(() => {})
    return result
  }

  return async (work) => {
    const locks = globalThis.navigator?.locks as LockManager | undefined
    if (!locks) return inThisTab(work)
    let isHeld = false
    const held = () => {
      isHeld = true
      return work(AbortSignal.timeout(HELD))
    }
    try {
      return await locks.request(name, { signal: AbortSignal.timeout(PATIENCE) }, held)
    } catch (error) {
      if (isHeld) throw error
      return inThisTab(work) // a frozen tab holds the lock, or this page may not use locks
    }
  }
}
