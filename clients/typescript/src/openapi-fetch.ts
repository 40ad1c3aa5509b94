// Lets openapi-fetch send its requests by the client's rules.

import type { Middleware } from 'openapi-fetch'
import { responseOf } from './requests.js'
import { jsonOf } from './wire.js'
import type { Additions, Auth } from './types.js'

/** A request that openapi-fetch is sending. */
interface Running {
  answered(response: Response, request: Request): void
  failed(error: unknown): void
  result: Promise<Response>
}

/** Returns the middleware that adds the client's rules: CSRF or access token, one refresh, repetitions, and waits. */
export function authMiddleware(auth: Pick<Auth, 'sendBy'>): Middleware {
  // Each request has its own options, and none is kept longer than they are.
  const running = new WeakMap<object, Running>()
  return {
    onRequest({ request, options }) {
      const spare = request.clone()
      return new Promise((resolve, reject) => {
        let resolveFirst!: (response: Response) => void
        let failed!: Running['failed']
        const first = new Promise<Response>((resolve, reject) => ([resolveFirst, failed] = [resolve, reject]))
        let isSent = false
        let last = request
        // openapi-fetch sends the first copy, after all other middleware.
        const send = async (additions: Additions) => {
          const isFirst = !isSent
          isSent = true
          const copy = copyOf(isFirst ? request : spare.clone(), last, additions)
          if (isFirst) resolve(copy)
          const response = isFirst ? await first : await options.fetch(copy)
          return { status: response.status, headers: response.headers, json: () => jsonOf(response), response }
        }
        const result = auth.sendBy({ url: request.url, method: request.method, signal: request.signal }, send).then(responseOf)
        result.then((response) => isSent || resolve(response), reject)
        const answered = (response: Response, request: Request) => {
          last = request // with what other middleware has added
          resolveFirst(response)
        }
        running.set(options, { answered, failed, result })
      })
    },
    onResponse({ request, response, options }) {
      const one = running.get(options)
      one?.answered(response, request)
      return one?.result
    },
    onError({ error, options }) {
      running.get(options)?.failed(error)
    },
  }
}

/** Returns the request with the headers and options of a model, and the additions. */
function copyOf(request: Request, model: Request, { headers, credentials }: Additions): Request {
  const isChanged = credentials && request.credentials === 'same-origin'
  const copy = isChanged ? new Request(request, { credentials }) : request
  for (const [name, value] of model.headers) copy.headers.set(name, value)
  // openapi-fetch adds options that a Request lacks, such as those of a framework's cache.
  for (const key of Object.keys(model)) (copy as any)[key] ??= (model as any)[key]
  for (const name in headers) copy.headers.set(name, headers[name]!)
  return copy
}
