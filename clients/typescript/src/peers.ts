// Listens to the other tabs, and to the browser when it wakes this tab up.

/** What tabs tell each other. Never a token, nor who the user is. */
export type Told = { type?: string; code?: string }

/** Calls `changed` with what another tab has told, or without anything after this tab was away. */
export function createPeers(isPage: boolean, isBrowser: boolean, name: string, changed: (told?: Told) => void) {
  let channel: BroadcastChannel | undefined
  const open = () => {
    if (!isBrowser || channel || typeof BroadcastChannel !== 'function') return
    channel = new BroadcastChannel(name)
    channel.onmessage = ({ data }) => changed(Object(data))
  }
  const close = () => {
    channel?.close()
    channel = undefined
  }
  const wake = () => changed()
  const show = () => document.hidden || wake()
  const restore = ({ persisted }: PageTransitionEvent) => {
    open()
    if (persisted) wake()
  }
  open()
  if (isPage) {
    document.addEventListener('visibilitychange', show)
    addEventListener('online', show)
    addEventListener('pageshow', restore)
    // A page that listens would not be kept for the way back.
    addEventListener('pagehide', close)
  }
  return {
    post: (told: Told) => channel?.postMessage(told),
    close() {
      close()
      if (!isPage) return
      document.removeEventListener('visibilitychange', show)
      removeEventListener('online', show)
      removeEventListener('pageshow', restore)
      removeEventListener('pagehide', close)
    },
  }
}
