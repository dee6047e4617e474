import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sealed } from '../../eventlog/memory-log.ts'
import { decodeCommands, encodeCommands } from '../../schemas/command-codec.ts'
import { EVENT_KINDS, type EventKind, type WalletEvent } from '../../schemas/events.ts'
import { FrameRows } from '../../schemas/frame-rows.ts'
import { sampleEvent } from '../../schemas/sample-event.testing.ts'
import { anyCrossing, CROSSING_KINDS, stepCommandOf } from './crossings.testing.ts'
import { StepBatch } from './step-batch.ts'
import { meaningOf, stepOfRow, StepWriter } from './step-of.ts'

function rowsOf(events: readonly WalletEvent[], partition = 0): FrameRows {
  return new FrameRows(sealed(partition, events, 1n, new Uint8Array(32)))
}

describe('the step of a row', () => {
  it('passes on all that the row says, to the partition that it is for', () => {
    fc.assert(
      fc.property(
        anyCrossing,
        fc.integer({ min: 2, max: 1024 }),
        fc.nat(65_535),
        (event, partitions, attempt) => {
          const rows = rowsOf([event], event.partition)
          const step = stepOfRow(rows, 0)
          const expected = stepCommandOf(event, partitions, attempt)
          expect(step === undefined).toBe(expected === undefined)
          if (step === undefined || expected === undefined) return
          const writer = new StepWriter(partitions)
          const batch = new StepBatch()
          expect(writer.target(rows, 0, step)).toBe(expected.target)
          writer.put(rows, 0, step, attempt, batch)
          expect(batch.count).toBe(1)
          expect(batch.slots()).toEqual(encodeCommands([expected.command]))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('stands behind those before it, whatever stood in its memory', () => {
    fc.assert(
      fc.property(fc.array(anyCrossing, { minLength: 1, maxLength: 40 }), (events) => {
        const rows = rowsOf(events)
        const writer = new StepWriter(4)
        const batch = new StepBatch()
        batch.claim(600)
        batch.words.fill(-1)
        batch.clear()
        const expected = []
        for (let byte = 0, index = 0; byte < rows.end; byte = rows.after(byte), index++) {
          const step = stepOfRow(rows, byte)
          if (step === undefined) continue
          writer.target(rows, byte, step)
          writer.put(rows, byte, step, 0, batch)
          expected.push(stepCommandOf({ ...events[index]!, partition: 0 }, 4)!.command)
        }
        expect(batch.count).toBe(expected.length)
        expect(batch.slots()).toEqual(encodeCommands(expected))
        expect(decodeCommands(batch.slots())).toHaveLength(expected.length)
      }),
    )
  })
})

describe('a row', () => {
  it('that is not of a crossing means nothing', () => {
    const others = (Object.keys(EVENT_KINDS) as EventKind[]).filter(
      (kind) => !(CROSSING_KINDS as readonly EventKind[]).includes(kind),
    )
    const rows = rowsOf(others.map((kind) => sampleEvent({ kind, memo: 'm' })))
    for (let byte = 0; byte < rows.end; byte = rows.after(byte)) expect(meaningOf(rows, byte)).toBe('nothing')
  })

  it('from which a step follows means one', () => {
    fc.assert(
      fc.property(anyCrossing, (event) => {
        const rows = rowsOf([event])
        const meaning = meaningOf(rows, 0)
        expect(meaning === 'reminder').toBe(event.kind === 'TransferReminded')
        if (stepCommandOf(event, 4) !== undefined) expect(meaning).toBe('step')
        if (meaning === 'nothing') expect(stepOfRow(rows, 0)).toBeUndefined()
      }),
    )
  })
})

it('a row whose text is not that of a crossing is no crossing that a writer wrote', () => {
  const rows = rowsOf([sampleEvent({ kind: 'TransferReserved', namedAccounts: 'a,b' })])
  expect(() => new StepWriter(2).target(rows, 0, { to: 'source' })).toThrow(RangeError)
})
