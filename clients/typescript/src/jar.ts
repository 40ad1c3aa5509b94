// The cookies of one incoming request, and the server's changes to them.

/** The cookies that a page's requests send, and the `Set-Cookie` lines that its browser has to get. */
export class Jar {
  /** Names may repeat: the server finds out which of them counts. */
  #cookies: [name: string, value: string][] = []
  #lines = new Map<string, string>()
  /** Grows with each change. */
  version = 0

  constructor(header: string) {
    for (const pair of header.split(';')) if (pair.includes('=')) this.#cookies.push(split(pair))
  }

  get(name: string): string | undefined {
    return this.#cookies.find(([own]) => own === name)?.[1]
  }

  get header(): string {
    return this.#cookies.map(([name, value]) => `${name}=${value}`).join('; ')
  }

  get lines(): string[] {
    return [...this.#lines.values()]
  }

  take(headers: Headers) {
    const lines = headers.getSetCookie()
    if (lines.length === 0) return
    this.version += 1
    const values = new Map<string, string | undefined>()
    for (const line of lines) {
      const [first = '', ...attributes] = line.split(';')
      const [name, value] = split(first)
      const named = Object.fromEntries(attributes.map((one) => split(one.toLowerCase())))
      // The order of lines counts, so a line that replaces an earlier one moves to the end.
      const key = [name, named.domain, named.path].join(';')
      this.#lines.delete(key)
      this.#lines.set(key, line)
      // A response may remove an old cookie beside the one of the same name that it sets.
      if (!isPast(named)) values.set(name, value)
      else if (!values.has(name)) values.set(name, undefined)
    }
    this.#cookies = this.#cookies.filter(([name]) => !values.has(name))
    for (const [name, value] of values) if (value !== undefined) this.#cookies.push([name, value])
  }
}

function split(pair: string): [string, string] {
  const [name = '', ...rest] = pair.split('=')
  return [name.trim(), rest.join('=').trim()]
}

const isPast = (attributes: Record<string, string>) => {
  const age = attributes['max-age']
  return age ? +age <= 0 : Date.parse(attributes.expires ?? '') <= Date.now()
}
