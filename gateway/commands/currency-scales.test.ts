import { expect, test } from 'vitest'
import type { Command } from '../../schemas/commands.ts'
import { makeUuidV7 } from '../../schemas/ids.ts'
import { CurrencyScales } from './currency-scales.ts'
import { fault } from '../errors.ts'
import type { Submitter } from '../submit/submit.ts'
import type { Views } from '../read/views.ts'

test('while the views are made anew no scale is fixed: they know of no account that has one', async () => {
  const offered: unknown[] = []
  const submitter = {
    partitions: 2,
    all: (commands: unknown) => {
      offered.push(commands)
      return Promise.reject(fault('BUSY', 'nobody here'))
    },
  } as unknown as Submitter
  const views = {
    store: { query: () => Promise.resolve([]) },
    identity: () => Promise.resolve(undefined),
    points: {
      current: () => ({ upTo: new Map(), settledNs: 0n }),
      whole: () => Promise.reject(fault('NOT_YET', 'The views are being made anew.')),
    },
  } as unknown as Views
  const scales = new CurrencyScales(submitter, views, {
    currencies: new Map(),
    clock: () => 1_700_000_000_000_000_000n,
    randomBits: () => new Uint8Array(10),
    partitions: 1,
  })
  const id = makeUuidV7(1_700_000_000_000, new Uint8Array(10))
  const opening: Command = { kind: 'OpenAccount', id, debit: id, currency: 'GEMS', scale: 3 }
  await expect(scales.check(opening, 'input')).rejects.toMatchObject({ extensions: { code: 'NOT_YET' } })
  expect(offered).toEqual([])
})
