import { afterEach, expect, test, vi } from 'vitest'
import { createReadiness } from './readiness.ts'

afterEach(() => {
  vi.useRealTimers()
})

test('views that are gone are told of within a second or so, though the wall clock was set back an hour', async () => {
  let isThere = true
  const ready = createReadiness({
    writers: [],
    store: { ping: async () => isThere } as never,
    projections: { status: () => [] } as never,
    feed: { failure: () => undefined } as never,
    isDraining: () => false,
  })
  expect(await ready()).toEqual({ ready: true, reasons: [] })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
  isThere = false
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  expect(await ready()).toEqual({ ready: false, reasons: ['The views cannot be read just now.'] })
})
