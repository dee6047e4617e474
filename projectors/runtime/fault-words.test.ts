import { describe, expect, it } from 'vitest'
import { OutageError, type ViewStore } from '../clickhouse/view-store.ts'
import { FaultWords, type FaultWord } from './fault-words.ts'
import type { Clock } from './ports.ts'

const STOPPED: FaultWord = { name: 'audit', version: 3, partition: 0, sequence: 57n, cause: 'not this one' }
const GOES_ON: FaultWord = { ...STOPPED, sequence: 0n, cause: '' }

/** A store that answers the given number of writes with an outage, and a clock whose timers run by hand. */
function town(outages: number, failure: Error = new OutageError('The view store does not answer.')) {
  const written: string[] = []
  const lines: string[] = []
  let timers: (() => void)[] = []
  const store = {
    command: async (_sql: string, given: { cause: string }) => {
      await Promise.resolve()
      if (outages-- > 0) throw failure
      written.push(given.cause)
    },
  } as unknown as ViewStore
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after: (_delayMs, task) => {
      timers.push(task)
      return () => undefined
    },
  }
  const words = new FaultWords({ store, clock, report: (line) => lines.push(line) })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
  const tick = async (): Promise<void> => {
    await settle()
    const due = timers
    timers = []
    for (const task of due) task()
    await settle()
  }
  return { words, written, lines, tick, waiting: () => timers.length }
}

describe('what stops a version', () => {
  it('is written however long the store is away, and told of once', async () => {
    const { words, written, lines, tick } = town(3)
    words.say(STOPPED)
    for (let round = 0; round < 3; round++) await tick()
    expect(written).toEqual(['not this one'])
    expect(lines).toHaveLength(1)
  })

  it('is followed by what was said after it, in that order', async () => {
    const { words, written, tick } = town(0)
    words.say(STOPPED)
    words.say(GOES_ON)
    await tick()
    expect(written).toEqual(['not this one', ''])
  })

  it('is not written any more once the version goes on', async () => {
    const { words, written, tick } = town(1)
    words.say(STOPPED)
    await Promise.resolve()
    words.say(GOES_ON)
    await tick()
    await tick()
    expect(written).toEqual([''])
  })

  it('is given up when the store cannot take it, and when all has ended', async () => {
    const refusing = town(1, new Error('no such table'))
    refusing.words.say(STOPPED)
    await refusing.tick()
    expect(refusing.waiting()).toBe(0)
    expect(refusing.lines).toHaveLength(1)
    const ended = town(5)
    ended.words.say(STOPPED)
    await ended.tick()
    ended.words.stop()
    await ended.tick()
    await ended.tick()
    expect(ended.waiting()).toBe(0)
    expect(ended.written).toEqual([])
  })
})
