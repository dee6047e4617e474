import type * as timers from 'node:timers/promises'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { retryOutage, type OutageRetry } from './retry-outage.ts'

/** Pauses asked for, in ms. */
const pauses = vi.hoisted((): number[] => [])
vi.mock('node:timers/promises', async (importOriginal) => {
  const real = await importOriginal<typeof timers>()
  const setTimeout = (ms: number): Promise<void> => {
    pauses.push(ms)
    return real.setTimeout(ms)
  }
  return { ...real, setTimeout }
})
beforeEach(() => {
  pauses.length = 0
})

class Outage extends Error {}

/** Patience for outages alone, and the lines that it told. */
function patience(changes: Partial<OutageRetry> = {}): OutageRetry & { readonly lines: readonly string[] } {
  const lines: string[] = []
  const isOutage = (error: unknown): boolean => error instanceof Outage
  return { isOutage, forMs: 600_000, pauseMs: 1, log: (line) => lines.push(line), signal: undefined, lines, ...changes } // prettier-ignore
}

/** Rejects with one error after the other, and then comes to the number of times it was asked. */
function question(...errors: Error[]): () => Promise<number> {
  let asked = 0
  return async () => {
    const error = errors[asked++]
    if (error !== undefined) throw error
    return asked
  }
}

describe('an outage', () => {
  test('is outlasted, and told once', async () => {
    const own = patience()
    const outages = [new Outage('Nobody answers.'), new Outage('Still nobody.'), new Outage('Nor now.')]
    expect(await retryOutage(question(...outages), own)).toBe(4)
    expect(own.lines).toEqual(['Nobody answers. Trying again.'])
  })

  test('is asked about less and less often, up to a longest pause, where that is wanted', async () => {
    const outages = Array.from({ length: 5 }, () => new Outage('Nobody answers.'))
    await retryOutage(question(...outages), patience({ pauseMs: 1, pauseMsMax: 5 }))
    expect(pauses).toEqual([1, 2, 4, 5, 5])
  })

  test('is told when the bound is reached; anything else at once', async () => {
    const late = patience({ forMs: 0 })
    await expect(retryOutage(question(new Outage('Nobody answers.')), late)).rejects.toThrow(
      'Nobody answers.',
    )
    const own = patience()
    const asked = retryOutage(question(new Outage('Nobody answers.'), new Error('You may not.')), own)
    await expect(asked).rejects.toThrow('You may not.')
    expect(late.lines).toEqual([])
  })

  test('keeps nobody who is told to stop: before a question, in one that is never answered, in a pause', async () => {
    const over = AbortSignal.abort(new Error('enough'))
    await expect(retryOutage(question(), patience({ signal: over }))).rejects.toThrow('enough')
    const silent = (): Promise<never> => new Promise(() => undefined)
    for (const asked of [silent, question(new Outage('Nobody answers.'))]) {
      const stop = new AbortController()
      const waiting = retryOutage(asked, patience({ signal: stop.signal, pauseMs: 60_000 }))
      const ended = expect(waiting).rejects.toThrow('enough')
      await new Promise((resolve) => setImmediate(resolve))
      stop.abort(new Error('enough'))
      await ended
    }
  })
})
