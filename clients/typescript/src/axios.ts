// Lets axios send its requests by the client's rules.

import { AxiosError, AxiosHeaders, CanceledError, getAdapter, isAxiosError } from 'axios'
import type { AxiosAdapter, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { parse } from './wire.js'
import type { Additions, Auth, Refusal, Reply } from './types.js'

/** A response, and the error that axios made of it. */
interface AxiosReply extends Reply {
  response: AxiosResponse
  failure: AxiosError | undefined
}

/**
 * Adds the client's rules to all requests of an instance: CSRF or access token, one refresh,
 * repetitions, and waits. Returns a function that removes them.
 */
export function addAuth(instance: AxiosInstance, auth: Pick<Auth, 'sendBy'>): () => void {
  const own = new WeakSet<AxiosAdapter>()
  const id = instance.interceptors.request.use((config) => {
    const adapter = getAdapter(config.adapter)
    if (own.has(adapter)) return config // another interceptor sends the same request again
    const wrapped: AxiosAdapter = (config) => request(instance, auth, adapter, config)
    own.add(wrapped)
    config.adapter = wrapped
    return config
  })
  return () => instance.interceptors.request.eject(id)
}

async function request(instance: AxiosInstance, auth: Pick<Auth, 'sendBy'>, adapter: AxiosAdapter, config: InternalAxiosRequestConfig) {
  const url = absolute(instance.getUri(config))
  if (!url) return adapter(config)
  let last: AxiosReply | undefined
  const send = async (additions: Additions) => {
    last?.response.data?.destroy?.() // a stream of Node's that nobody reads
    return (last = await attempt(adapter, config, additions))
  }
  const outline = { url, method: config.method ?? 'get', signal: config.signal as AbortSignal | undefined, isOnce: isStream(config.data) }
  try {
    const result = await auth.sendBy(outline, send)
    if (!('response' in result)) return refused(result, config)
    if (result.failure) throw result.failure
    return result.response
  } catch (error) {
    throw asAxios(error, config)
  }
}

async function attempt(adapter: AxiosAdapter, config: InternalAxiosRequestConfig, { headers, credentials }: Additions): Promise<AxiosReply> {
  const own = { ...config, headers: AxiosHeaders.from(config.headers).concat(headers) }
  if (credentials) own.withCredentials = credentials === 'include'
  let failure: AxiosError | undefined
  let response: AxiosResponse
  try {
    response = await adapter(own)
  } catch (error) {
    if (!isAxiosError(error) || !error.response) throw error
    failure = error
    response = error.response
  }
  const { status } = response
  return { status, headers: AxiosHeaders.from(response.headers as AxiosHeaders), json: () => jsonIn(response), response, failure }
}

/** Returns the JSON object in a response of any `responseType`, which stays readable. */
async function jsonIn(response: AxiosResponse): Promise<Record<string, any>> {
  const { data } = response
  if (typeof data === 'string') return parse(data)
  if (!data) return {}
  if (data.tee) {
    const [one, other] = data.tee()
    response.data = other
    return parse(await new Response(one).text())
  }
  if (data.unshift && data.pipe) return parse(await peek(data))
  if (data.text) return parse(await data.text())
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return parse(new TextDecoder().decode(data))
  return data
}

/** Returns the first piece of a stream of Node's, and puts it back. Errors are short. */
async function peek(stream: any): Promise<string> {
  if (!stream.readableLength) await new Promise((resolve) => stream.once('readable', resolve).once('end', resolve).once('error', resolve))
  const piece = stream.read()
  if (piece === null) return ''
  stream.unshift(piece)
  return String(piece)
}

/** Returns the response to a failed refresh as axios would, or throws. */
function refused({ status, headers, text }: Refusal, config: InternalAxiosRequestConfig): AxiosResponse {
  const response = { data: text, status, statusText: '', headers: new AxiosHeaders(Object.fromEntries(headers)), config }
  if (!config.validateStatus || config.validateStatus(status)) return response
  const code = status >= 500 ? AxiosError.ERR_BAD_RESPONSE : AxiosError.ERR_BAD_REQUEST
  throw new AxiosError(`Request failed with status code ${status}`, code, config, undefined, response)
}

/** Returns an error as axios throws it. */
function asAxios(error: any, config: InternalAxiosRequestConfig): unknown {
  if (isAxiosError(error) || error instanceof CanceledError) return error
  if (error?.name === 'AbortError' || config.signal?.aborted) return Object.assign(new CanceledError(error?.message, config), { cause: error })
  const code = error?.name === 'TimeoutError' ? AxiosError.ETIMEDOUT : AxiosError.ERR_NETWORK
  return AxiosError.from(error instanceof Error ? error : new Error(String(error)), code, config)
}

/** Returns an address as axios sends it, or nothing if there is no page that it could be relative to. */
function absolute(url: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) return url
  return typeof document === 'object' ? new URL(url, document.baseURI).href : undefined
}

const isStream = (data: any) => Boolean(data && (data.pipe || data.getReader || data[Symbol.asyncIterator]))
