import { expect, it, onTestFinished } from 'vitest'
import type { ProjectionStatus, Projections } from '../../projectors/runtime/status.ts'
import { includesPosition, type Position } from '../../schemas/positions.ts'
import { codeOf } from '../errors.ts'
import { ReadPoints, RequestPoint } from './read-points.ts'

const at = (sequence: number): Position => new Map([[0, BigInt(sequence)]])

/** A deployment with required views, one more that is called `volume`, and a request. */
class World {
  required = at(0)
  volume = at(0)
  state: ProjectionStatus['state'] = 'catching-up'
  readonly waits: (string | undefined)[] = []
  readonly #waiting = new Set<() => void>()
  #advanced: () => void = () => undefined
  readonly points: ReadPoints

  constructor() {
    const positionOf = (name?: string): Position => (name === 'volume' ? this.volume : name === undefined ? this.required : new Map()) // prettier-ignore
    const projections = {
      status: () => [
        { name: 'balances', isRequired: true, state: 'live', lagSeconds: 0.5 },
        { name: 'volume', isRequired: false, state: this.state, lagSeconds: 900 },
      ],
      position: () => positionOf(),
      positionOf,
      settledNs: () => 0n,
      onAdvance: (listener: () => void) => ((this.#advanced = listener), () => undefined),
      attend: () => undefined,
      waitFor: async (position: Position, timeoutMs: number, name?: string) => {
        this.waits.push(name)
        const until = performance.now() + timeoutMs
        while (!includesPosition(positionOf(name), position)) {
          if (performance.now() >= until) return false
          await new Promise<void>((resolve) => (this.#waiting.add(resolve), setTimeout(resolve, timeoutMs)))
        }
        return true
      },
    } as unknown as Projections
    const open = { opened: () => Promise.resolve(), closed: () => undefined, requireStore: () => undefined }
    this.points = new ReadPoints(
      projections,
      () => 0n,
      50,
      open,
      (position) => `token ${position.get(0)}`,
    )
    onTestFinished(() => this.points.stop())
  }

  move(required: number, volume: number): void {
    this.required = at(required)
    this.volume = at(volume)
    this.#advanced()
    for (const wake of this.#waiting) wake()
  }
}

it('a field of another view is answered at the point of its request, which that view holds', async () => {
  const world = new World()
  world.move(7, 9)
  const request = new RequestPoint(world.points)
  const [own, other] = await Promise.all([request.at(undefined), request.of('volume')])
  expect(other).toBe(own)
  expect(other.upTo).toEqual(at(7))
  expect(world.waits).toEqual([])
})

it('it waits for its view, and for no other; fields beside it do not wait for it', async () => {
  const world = new World()
  world.move(7, 3)
  const request = new RequestPoint(world.points)
  const field = request.of('volume')
  expect((await request.at(undefined)).upTo).toEqual(at(7))
  world.move(7, 7)
  expect((await field).upTo).toEqual(at(7))
  expect(world.waits).toEqual(['volume'])
})

it('it includes what it is asked to include', async () => {
  const world = new World()
  world.move(7, 7)
  const field = new RequestPoint(world.points).of('volume', at(8))
  world.move(8, 7)
  world.move(8, 8)
  expect((await field).upTo).toEqual(at(8))
})

it.each([
  ['catching-up', 'The view volume does not include this position yet.', ['volume']],
  ['stalled', 'The view volume does not move, and does not include this position.', ['volume']],
  ['stopped', 'The view volume has stopped before this position.', []],
  ['paused', 'The view volume is paused before this position.', []],
] as const)('a view that is %s and too far behind is named, in time', async (state, message, waits) => {
  const world = new World()
  world.state = state
  world.move(7, 3)
  const failure = await new RequestPoint(world.points).of('volume').catch((error: unknown) => error)
  expect(codeOf(failure)).toBe('NOT_YET')
  expect((failure as Error).message).toContain(message)
  expect(failure).toMatchObject({ extensions: { view: 'volume', position: 'token 3', lagSeconds: 900 } })
  expect(world.waits).toEqual(waits)
})

it('a view that there is not is told of at once', async () => {
  const world = new World()
  world.move(7, 7)
  const failure = await new RequestPoint(world.points).of('volumes').catch((error: unknown) => error)
  expect(codeOf(failure)).toBe('NOT_YET')
  expect((failure as Error).message).toContain('volumes')
})

it('the lag that answers tell is that of the views that they need', () => {
  expect(new World().points.lagSeconds()).toBe(0.5)
})
