/**
 * Members whose session outlasts every test: whoever is replaced here, was missed by the signs of life alone.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { runtimeEntry } from '../../runtime-entry.ts'
import { SIGN_EVERY_MS } from './member-watch.ts'
import { joinGroup, type Membership } from './membership.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { SILENT_SIGNS } from './signs-of-life.ts'

const SESSION_MS = 600_000
/** On a machine with much else to do. */
const WAIT_MS = 50_000
/** Longer than anybody may be silent. */
const QUIET_MS = 2 * SIGN_EVERY_MS * SILENT_SIGNS

/** A member, wherever it runs, and what it was told. */
interface Told {
  last: readonly number[]
  times: number
}

const opened: Membership[] = []
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const membership of opened.splice(0)) await membership.leave()
})

function signsOf(settings: KafkaSettings, partitions: number): { standbyTopic: string; partitions: number } {
  return { standbyTopic: topicNames(settings).events, partitions }
}

async function join(
  settings: KafkaSettings,
  partitions: number,
): Promise<Told & { lines: string[]; membership: Membership }> {
  const told = { last: [] as readonly number[], times: 0, lines: [] as string[] }
  const membership = await joinGroup(settings, {
    groupId: 'lives',
    topic: topicNames(settings).commands,
    partitions,
    sessionTimeoutMs: SESSION_MS,
    signsOfLife: signsOf(settings, partitions),
    onAssigned: (held) => {
      told.last = [...held]
      told.times++
    },
    onFailure: (error) => {
      throw error
    },
    log: (line) => told.lines.push(line),
  })
  opened.push(membership)
  return Object.assign(told, { membership })
}

function joinFromChild(settings: KafkaSettings, partitions: number): Told & { child: ChildProcess } {
  const child = spawn(
    process.execPath,
    [
      runtimeEntry(new URL('./membership-child.ts', import.meta.url)),
      JSON.stringify(settings),
      'lives',
      topicNames(settings).commands,
      String(SESSION_MS),
      JSON.stringify(signsOf(settings, partitions)),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  )
  children.push(child)
  const told = { last: [] as readonly number[], times: 0, child }
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.last = JSON.parse(line) as number[]
    told.times++
  })
  return told
}

async function until(what: string, holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: WAIT_MS, interval: 20, message: what }).toBe(true)
}

await withKafka('members that show each other that they live', (kafka) => {
  /** Settings, a member here and one in a child, each with half of the partitions. */
  async function two(
    partitions: number,
  ): Promise<{ settings: KafkaSettings; here: Awaited<ReturnType<typeof join>>; other: ReturnType<typeof joinFromChild> }> {
    const settings = await kafka.deployment(partitions)
    const other = joinFromChild(settings, partitions)
    await until('the child has all', () => other.last.length === partitions)
    const here = await join(settings, partitions)
    await until('two halves', () => here.last.length === partitions / 2 && other.last.length === partitions / 2)
    // Its signs are known.
    await sleep(3 * SIGN_EVERY_MS)
    return { settings, here, other }
  } // prettier-ignore

  describe('members that show each other that they live', { timeout: 2 * WAIT_MS }, () => {
    it('one that is killed is missed while its session goes on, and its partitions go to the others', async () => {
      const { here, other } = await two(4)
      other.child.kill('SIGKILL')
      await until('all is here', () => here.last.length === 4)
      expect(here.lines.join('\n')).toContain('has given no sign of life')
    })

    it('one that stands still is missed too; when it goes on it joins again, and then nothing moves any more', async () => {
      const { here, other } = await two(4)
      other.child.kill('SIGSTOP')
      await until('all is here', () => here.last.length === 4)
      const toldBefore = other.times
      other.child.kill('SIGCONT')
      await until('it is told', () => other.times > toldBefore)
      await until('two halves', () => here.last.length === 2 && other.last.length === 2)
      // Its old claim does not count.
      expect([here.last, other.last]).toEqual([[0, 1], [2, 3]]) // prettier-ignore
      const times = [here.times, other.times]
      await sleep(QUIET_MS)
      expect([here.times, other.times]).toEqual(times)
    })

    it('one that stands by without a share sees it too, and is seen', async () => {
      const settings = await kafka.deployment(1)
      const other = joinFromChild(settings, 1)
      await until('the child has it', () => other.last.length === 1)
      const here = await join(settings, 1)
      expect(here.last).toEqual([])
      const third = joinFromChild(settings, 1)
      await until('it is told', () => third.times > 0)
      await sleep(3 * SIGN_EVERY_MS)
      third.child.kill('SIGKILL')
      other.child.kill('SIGKILL')
      await until('it is here', () => here.last.length === 1)
    })

    it('one that is started again takes over from its former self', async () => {
      const settings = await kafka.deployment(2)
      const former = joinFromChild(settings, 2)
      await until('the child has all', () => former.last.length === 2)
      await sleep(3 * SIGN_EVERY_MS)
      former.child.kill('SIGKILL')
      const again = joinFromChild(settings, 2)
      await until('it has all', () => again.last.length === 2)
    })

    it('nobody is missed who is only idle', async () => {
      const { here, other } = await two(2)
      const times = [here.times, other.times]
      await sleep(QUIET_MS)
      expect([here.times, other.times]).toEqual(times)
      expect(here.lines).toEqual([])
    })
  })
})

await withKafkaCluster('members whose broker stands still', {}, (cluster, kafka) => {
  it(
    'a broker that stands still makes nobody silent',
    async () => {
      try {
        const settings = await kafka.deployment(2)
        const other = joinFromChild(settings, 2)
        await until('the child has all', () => other.last.length === 2)
        const here = await join(settings, 2)
        await until('two halves', () => here.last.length === 1 && other.last.length === 1)
        await sleep(3 * SIGN_EVERY_MS)
        const times = [here.times, other.times]
        const [broker] = cluster.brokers
        broker!.pause()
        await sleep(QUIET_MS)
        broker!.resume()
        await sleep(QUIET_MS)
        expect([here.times, other.times]).toEqual(times)
      } finally {
        await cluster.stop()
      }
    },
    2 * WAIT_MS,
  )
})
