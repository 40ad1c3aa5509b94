// Connects the tabs of this page in one browser. They tell each other what happened, never a token.

const channel = new BroadcastChannel(`tokenpair-demo:${location.pathname}`)
const me = crypto.getRandomValues(new Uint32Array(1))[0]
const opened = performance.timeOrigin
const others = new Map()
const listeners = new Map()

/** Calls a listener for each message of this type from another tab. */
export function onTab(type, listener) {
  listeners.set(type, [...(listeners.get(type) ?? []), listener])
}

export const tellTabs = (message) => channel.postMessage({ ...message, from: me, opened })

/** Returns the letter of a tab: the one that was opened first is A. */
export function letterOf(tab = me) {
  const all = [[me, opened], ...others].sort((one, other) => one[1] - other[1])
  return String.fromCharCode(65 + all.findIndex(([id]) => id === tab))
}

export const thisTab = () => me
export const otherTabs = () => [...others.keys()]

const changed = () => {
  for (const listener of listeners.get('tabs') ?? []) listener()
}

channel.addEventListener('message', ({ data }) => {
  if (data.type === 'bye') others.delete(data.from)
  else others.set(data.from, data.opened)
  if (data.type === 'hello') tellTabs({ type: 'here' })
  changed()
  for (const listener of listeners.get(data.type) ?? []) listener(data)
})
addEventListener('pagehide', () => tellTabs({ type: 'bye' }))
addEventListener('pageshow', () => tellTabs({ type: 'hello' }))
