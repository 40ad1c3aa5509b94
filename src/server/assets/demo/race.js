// Lets all tabs refresh at once, and draws when each request began and ended.

import { call } from './api.js'
import { element } from './dom.js'
import { tone } from './exchange.js'
import { letterOf, onTab, otherTabs, tellTabs, thisTab } from './tabs.js'

/** Browsers open six connections to a server, so more requests of a tab would wait in the browser. */
const OF_EACH_TAB = 6
const PATIENCE = 10_000

const now = () => performance.timeOrigin + performance.now()

async function refreshOnce() {
  const begun = now()
  const exchange = await call('POST', '/refresh', { csrf: ['refresh'] })
  return { begun, ended: now(), status: exchange.status, exchange }
}

const run = () => Promise.all(Array.from({ length: OF_EACH_TAB }, refreshOnce))
const bare = (results) => results.map(({ begun, ended, status }) => ({ begun, ended, status }))

/** Makes this tab take part in races that other tabs start. */
export function joinRaces() {
  onTab('race', async ({ race }) => tellTabs({ type: 'raced', race, results: bare(await run()) }))
}

/** Races all tabs. Returns the lanes, and the first exchange of this tab. */
export async function race() {
  const id = crypto.getRandomValues(new Uint32Array(1))[0]
  const lanes = new Map()
  const awaited = new Set(otherTabs())
  const answered = new Promise((done) => {
    if (awaited.size === 0) done()
    onTab('raced', ({ race, from, results }) => {
      if (race !== id) return
      lanes.set(from, results)
      awaited.delete(from)
      if (awaited.size === 0) done()
    })
    setTimeout(done, PATIENCE)
  })
  tellTabs({ type: 'race', race: id })
  const mine = await run()
  lanes.set(thisTab(), bare(mine))
  await answered
  const ordered = [...lanes].map(([tab, results]) => ({ letter: letterOf(tab), results }))
  ordered.sort((one, other) => one.letter.localeCompare(other.letter))
  return { lanes: ordered, first: mine[0].exchange }
}

/** Draws the lanes and says how the race went. `stillIn`: whether the access token works after it. */
export function drawRace(place, lanes, stillIn) {
  const all = lanes.flatMap(({ results }) => results)
  const begin = Math.min(...all.map(({ begun }) => begun))
  const span = Math.max(...all.map(({ ended }) => ended)) - begin
  const good = all.filter(({ status }) => status === 200).length
  const drawn = lanes.map(({ letter, results }) => drawLane(letter, results, begin, span))
  const words = `${good} of ${all.length} refreshes from ${lanes.length === 1 ? 'one tab' : `${lanes.length} tabs`} answered 200`
  const then = stillIn ? 'and this browser is still logged in.' : 'and this browser is logged out.'
  const verdict = element('p', { class: `verdict ${good === all.length && stillIn ? 'good' : 'bad'}`, role: 'status' }, `${words}, ${then}`)
  const scale = element('p', { class: 'scale' }, element('span', {}, '0 ms'), element('span', {}, `${Math.round(span)} ms`))
  place.querySelector('.race')?.remove()
  place.querySelector('.empty')?.remove()
  for (const older of place.querySelectorAll('details')) older.open = false
  place.prepend(element('div', { class: 'race' }, ...drawn, scale, verdict))
}

function drawLane(letter, results, begin, span) {
  const bars = results.map(({ begun, ended, status }) => {
    const bar = element('i', { class: tone(status) })
    bar.style.setProperty('--from', (begun - begin) / span)
    bar.style.setProperty('--to', (ended - begin) / span)
    return bar
  })
  const statuses = results.map(({ status }) => status).join(', ')
  const lane = element('div', { class: 'bars', role: 'img', 'aria-label': `Answers of tab ${letter}: ${statuses}` }, ...bars)
  return element('div', { class: 'lane' }, element('b', {}, `Tab ${letter}`), lane)
}
