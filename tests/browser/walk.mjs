// Makes an animated picture of a walk with curl. The commands are really run, and their answers are shown.

import { execFileSync } from 'node:child_process'

const USER = `'{"username":"ada","password":"correct horse"}'`

/** Each step: a note, a command that is shown and run, or one that is only run. `only` shortens a long answer. */
const STEPS = [
  { note: 'Log in. Four cookies arrive, and a jar keeps them.' },
  { shown: `curl -c jar --json ${USER} $server/login`, only: ['login', 'expires_in', 'refresh_expires_in'] },
  { note: 'The access token is verified without the database.' },
  { shown: 'curl -b jar $server/protected' },
  { note: 'A cookie alone changes nothing: send the CSRF token too.' },
  { shown: "curl -b jar -d '' $server/refresh", only: ['msg', 'code'] },
  { quiet: `csrf=$(awk '$6 == "csrf_refresh_token" { print $7 }' jar)` },
  { shown: `curl -b jar -c jar -d '' -H "X-CSRF-TOKEN: $csrf" $server/refresh`, only: ['refresh', 'expires_in', 'refresh_expires_in'] },
  { note: 'Log out. A copy of the cookies is worthless from now on.' },
  { shown: 'cp jar copy' },
  { shown: `curl -b jar -c jar -d '' -H "X-CSRF-TOKEN: $csrf" $server/logout` },
  { shown: 'curl -b copy $server/protected', only: ['msg', 'code'] },
]

/** Runs the steps against a server, and returns the lines to show. */
export function walk(server) {
  const register = `curl -sf --json ${USER} $server/register >/dev/null`
  const scripts = STEPS.map(({ shown, quiet }) => quiet ?? shown)
  const commands = scripts.map((one) => (one ? one.replace('curl ', 'curl -s ') : ':'))
  const script = [`server=${server.url}`, 'rm -f jar copy', register, ...commands.map((one) => `${one}\nprintf '\\036'`)].join('\n')
  const answers = execFileSync('bash', ['-ec', script], { cwd: server.folder, encoding: 'utf8' }).split('\x1e')
  return STEPS.flatMap(({ note, shown, only }, at) => {
    if (note) return [{ kind: 'note', text: `# ${note}` }]
    if (!shown) return []
    const answer = answers[at].trim()
    const lines = [{ kind: 'command', text: `$ ${shown}` }]
    return answer ? [...lines, { kind: 'answer', text: only ? part(answer, only) : answer }] : lines
  })
}

function part(answer, names) {
  const members = JSON.parse(answer)
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, members[name]]))).replace('}', ',…}')
}

const LINE = 24
/** Before a note. */
const GAP = 12
const WIDTH = 820
const COLORS = { note: '#93a1b5', command: '#ffffff', answer: '#4fd1bd', bad: '#ff8a80' }
/** Seconds until the next line. */
const PAUSES = { note: 0.5, command: 1.1, answer: 1.6 }

/** Draws the lines, which appear one after the other, or all at once for people who want no motion. */
export function drawWalk(lines) {
  const rows = lines.map((_, at) => 68 + at * LINE + lines.slice(1, at + 1).filter(({ kind }) => kind === 'note').length * GAP)
  const height = rows.at(-1) + 28
  const times = lines.map((_, at) => lines.slice(0, at).reduce((sum, { kind }) => sum + PAUSES[kind], 0.4))
  const total = times.at(-1) + 6
  const rules = times.map((time, at) => {
    const start = ((time / total) * 100).toFixed(2)
    return `@keyframes l${at}{0%,${start}%{opacity:0}${(Number(start) + 0.6).toFixed(2)}%,100%{opacity:1}}.l${at}{animation:l${at} ${total}s linear infinite}`
  })
  const texts = lines.map(({ kind, text }, at) => {
    const color = text.includes('"code"') ? COLORS.bad : COLORS[kind]
    return `<text class="l${at}" x="24" y="${rows[at]}" fill="${color}">${escaped(text)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t">
<title id="t">A walk with curl: log in, call a protected route, refresh with the CSRF token, log out</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
@media (prefers-reduced-motion:no-preference){
${rules.join('\n')}
}</style>
<rect width="${WIDTH}" height="${height}" rx="10" fill="#10161f"/>
<circle cx="26" cy="24" r="6" fill="#ff8a80"/><circle cx="46" cy="24" r="6" fill="#e6c06a"/><circle cx="66" cy="24" r="6" fill="#58d39a"/>
${texts.join('\n')}
</svg>
`
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
