import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { includesPosition, type Position } from '../schemas/positions.ts'
import { PointedServing, ServingPointer, type KnownVersion } from './serving-pointer.ts'

function known(version: number, position: Position, isServing = false): KnownVersion {
  return { projection: 'volume', version, isServing, position, tables: { volume: `volume_v${version}` } }
}

const at = (...sequences: readonly number[]): Position =>
  new Map(sequences.map((sequence, partition) => [partition, BigInt(sequence)]))

/** Two versions and more of a view over two partitions, as a runtime and an operator move them. */
interface Model {
  readonly positions: Map<number, [number, number]>
  serving: number
  newest: number
}

const step = fc.oneof(
  fc.record({ what: fc.constant('fill' as const), version: fc.nat(9), partition: fc.nat(1), by: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ what: fc.constant('build' as const) }),
  fc.record({ what: fc.constant('serve' as const), version: fc.nat(9) }),
  fc.record({ what: fc.constant('drop' as const), version: fc.nat(9) }),
  fc.record({ what: fc.constant('reset' as const) }),
  fc.record({ what: fc.constant('wait' as const), ms: fc.nat(20_000) }),
) // prettier-ignore

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function move(model: Model, one: Step): void {
  const there = [...model.positions.keys()]
  const pick = (index: number): number => there[index % there.length]!
  if (one.what === 'fill') model.positions.get(pick(one.version))![one.partition]! += one.by
  if (one.what === 'build' || one.what === 'reset') model.positions.set(++model.newest, [0, 0])
  if (one.what === 'serve') model.serving = pick(one.version)
  if (one.what === 'drop' && pick(one.version) !== model.serving) model.positions.delete(pick(one.version))
  if (one.what !== 'reset') return
  for (const version of there) model.positions.delete(version)
  model.serving = model.newest
}

function versionsOf({ positions, serving }: Model): KnownVersion[] {
  return [...positions].map(([version, position]) => known(version, at(...position), version === serving))
}

describe('a reader', () => {
  it('never goes back in time, reads only what is there, and reads no further than it is filled', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const model: Model = { positions: new Map([[1, [0, 0]]]), serving: 1, newest: 1 }
        const pointer = new ServingPointer()
        let nowMs = 0
        for (const one of steps) {
          if (one.what === 'wait') nowMs += one.ms
          move(model, one)
          const before = { read: pointer.read, position: pointer.position }
          pointer.take(versionsOf(model), nowMs)
          const { read, position } = pointer
          const own = model.positions.get(read!.version)
          expect(own).toBeDefined()
          expect(includesPosition(at(...own!), position)).toBe(true)
          const isGone = before.read === undefined || !model.positions.has(before.read.version)
          if (!isGone) expect(includesPosition(position, before.position)).toBe(true)
          // Nothing keeps it from a version that has all of it.
          const wanted = at(...model.positions.get(model.serving)!)
          if (read!.version !== model.serving) expect(includesPosition(wanted, position)).toBe(false)
        }
      }),
    )
  })

  it('goes on with the old version, up to where that comes, until the promoted one includes what it has seen', () => {
    const pointer = new ServingPointer()
    pointer.take([known(1, at(7), true), known(2, at(5))], 0)
    pointer.take([known(1, at(7)), known(2, at(6), true)], 10)
    expect([pointer.read?.version, pointer.position]).toEqual([1, at(7)])
    pointer.take([known(1, at(9)), known(2, at(7), true)], 20)
    expect([pointer.read?.version, pointer.position]).toEqual([2, at(7)])
  })

  it('comes to a version that is always a step behind the old one, and is held for it only for a while', () => {
    const pointer = new ServingPointer()
    let nowMs = 0
    let head = 100
    pointer.take([known(1, at(head), true)], nowMs)
    const promoted = (): KnownVersion => known(2, at(head - 10), true)
    for (let look = 0; look < 10 && pointer.read?.version === 1; look++, nowMs += 40, head += 7)
      pointer.take([known(1, at(head)), promoted()], nowMs)
    expect(pointer.read?.version).toBe(2)

    const stuck = new ServingPointer()
    stuck.take([known(1, at(10), true)], 0)
    stuck.take([known(1, at(20)), known(2, at(5), true)], 1)
    expect(stuck.position).toEqual(at(10))
    stuck.take([known(1, at(30)), known(2, at(5), true)], 3_000)
    expect([stuck.read?.version, stuck.position]).toEqual([1, at(30)])
  })

  it('reads the new version at once where the old one is gone, however little it holds', () => {
    const pointer = new ServingPointer()
    pointer.take([known(1, at(7), true)], 0)
    pointer.take([known(2, at(0), true)], 1)
    expect([pointer.read?.version, pointer.position]).toEqual([2, at(0)])
  })
})

it('each projection has a pointer of its own, and its tables are those of the version that is read', () => {
  const serving = new PointedServing()
  const flags = { ...known(3, at(2), true), projection: 'flags', tables: { flags: 'flags_v3' } }
  expect([serving.versionOf('volume'), serving.tables(), serving.positionOf('volume')]).toEqual([undefined, {}, at()])
  serving.take([known(1, at(7), true), known(2, at(6)), flags], 0)
  serving.take([known(1, at(7)), known(2, at(6), true), flags], 1)
  expect(serving.tables()).toEqual({ volume: 'volume_v1', flags: 'flags_v3' })
  serving.take([known(1, at(7)), known(2, at(7), true)], 2)
  expect(serving.tables()).toEqual({ volume: 'volume_v2' })
  expect([serving.versionOf('volume'), serving.versionOf('flags')]).toEqual([2, undefined])
  expect(serving.positionOf('volume')).toEqual(at(7))
}) // prettier-ignore
