// The error codes of the client are those of the server as built.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codes } from '../scripts/codes.mjs'
import { serve } from './support.mjs'

test("the server's description lists the codes of src/codes.ts", async () => {
  const server = await serve()
  try {
    const { components } = await (await fetch(`${server.url}/openapi.json`)).json()
    assert.deepEqual(components.schemas.Problem.properties.code.enum.toSorted(), codes())
  } finally {
    await server.stop()
  }
})
