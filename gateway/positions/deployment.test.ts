import { expect, test } from 'vitest'
import type { LogHead } from '../../eventlog/ports.ts'
import { MemoryLog } from '../../test/support/memory-log.ts'
import { SampleWallet } from '../../test/model/sample-wallet.ts'
import type { Frame } from '../../schemas/frames.ts'
import { Deployment } from './deployment.ts'
import { LogHeads } from './log-heads.ts'

/** A log of so many events, one a frame. Logs of different wallets are of different deployments. */
function logOf(wallet: number, events: number): MemoryLog {
  const log = new MemoryLog(0)
  for (const event of new SampleWallet(wallet).events.slice(0, events)) log.append([event])
  return log
}

async function idOf(log: MemoryLog, lines: string[] = []): Promise<string | undefined> {
  const deployment = new Deployment(log, (line) => lines.push(line))
  await deployment.settled(log)
  await deployment.stop()
  return deployment.id
}

test('a deployment is known by its first frame: after restarts, at every gateway, in every copy, and no other has it', async () => {
  const id = await idOf(logOf(1, 4))
  expect(id).toMatch(/^[0-9a-f]{12}$/)
  expect(await idOf(logOf(1, 4))).toBe(id)
  // An older copy is the same deployment.
  expect(await idOf(logOf(1, 1))).toBe(id)
  expect(await idOf(logOf(2, 4))).not.toBe(id)
})

test('a gateway that starts before there is a frame knows its deployment as soon as there is one', async () => {
  const log = new MemoryLog(0)
  const deployment = new Deployment(log, () => undefined)
  await deployment.settled(log)
  expect(deployment.id).toBeUndefined()
  for (const event of new SampleWallet(3).events.slice(0, 2)) log.append([event])
  await expect.poll(() => deployment.id).toBe(await idOf(logOf(3, 2)))
  await deployment.stop()
})

test('a log whose beginning is out of reach has no known deployment, which is said once and stops nothing', async () => {
  const cut = logOf(4, 4)
  cut.frames.shift()
  const lines: string[] = []
  expect(await idOf(cut, lines)).toBeUndefined()
  const away = logOf(4, 4)
  away.tail = () => {
    throw new Error('archive is not mounted')
  }
  expect(await idOf(away, lines)).toBeUndefined()
  expect(lines).toHaveLength(2)
  expect(lines[1]).toContain('archive is not mounted')
})

/** A log of which this process learns only when it asks, as one on Kafka. */
class FarLog extends MemoryLog {
  readonly stored: Frame[]
  asked = 0
  answer: () => Promise<void> = () => Promise.resolve()

  constructor(whole: MemoryLog, known: number) {
    super(0)
    this.stored = [...whole.frames]
    for (const frame of this.stored.splice(0, known)) this.push(frame)
  }

  override async currentHead(): Promise<LogHead> {
    this.asked++
    const behind = this.stored.splice(0)
    await this.answer()
    for (const frame of behind) this.push(frame)
    return this.head()
  }
}

const at = (sequence: bigint) => new Map([[0, sequence]])

test('a position behind what a gateway has read is ahead of the log only if what is stored says so', async () => {
  const log = new FarLog(logOf(5, 4), 2)
  const heads = new LogHeads([log])
  expect([heads.holds(at(2n)), heads.holds(at(4n))]).toEqual([true, false])
  expect(await heads.reach(at(2n), 5_000)).toBe('held')
  expect(log.asked).toBe(0)
  expect(await heads.reach(at(4n), 5_000)).toBe('held')
  expect(await heads.reach(at(5n), 5_000)).toBe('ahead')
  expect(heads.within(at(5n))).toEqual(at(4n))
})

test('where the end of the log does not answer, nothing is called ahead of it', async () => {
  const silent = new FarLog(logOf(6, 4), 2)
  silent.answer = () => new Promise(() => undefined)
  expect(await new LogHeads([silent]).reach(at(9n), 50)).toBe('unknown')
  const broken = new FarLog(logOf(6, 4), 2)
  broken.answer = () => Promise.reject(new Error('Kafka is away'))
  const heads = new LogHeads([broken])
  expect(await heads.reach(at(9n), 5_000)).toBe('unknown')
  // The next one asks anew.
  broken.answer = () => Promise.resolve()
  expect(await heads.reach(at(9n), 5_000)).toBe('ahead')
})

test('however many ask, the log is asked once at a time, and nobody is told of a time before the question', async () => {
  const whole = logOf(7, 4)
  const log = new FarLog(whole, 2)
  const late = log.stored.splice(1)
  let go: () => void = () => undefined
  log.answer = () => new Promise((resolve) => (go = resolve))
  const heads = new LogHeads([log])
  const early = heads.reach(at(3n), 5_000)
  // Written after the first question, and asked for before it is answered.
  log.stored.push(...late)
  const others = Array.from({ length: 500 }, () => heads.reach(at(4n), 5_000))
  await new Promise((resolve) => setImmediate(resolve))
  expect(log.asked).toBe(1)
  log.answer = () => Promise.resolve()
  go()
  expect(await early).toBe('held')
  expect(new Set(await Promise.all(others))).toEqual(new Set(['held']))
  expect(log.asked).toBe(2)
})

test('a place just behind the end is waited for a moment, one far behind it not at all', async () => {
  const whole = logOf(8, 4)
  const log = new FarLog(whole, 3)
  const last = log.stored.splice(0)[0]!
  const heads = new LogHeads([log])
  const near = heads.reach(at(4n), 5_000)
  log.push(last)
  expect(await near).toBe('held')
  expect(await heads.reach(at(2n ** 62n), 60_000)).toBe('ahead')
})
