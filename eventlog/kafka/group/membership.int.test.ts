import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { afterEach, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { PATIENCE_MS } from '../../../test/support/patience.ts'
import { runtimeEntry } from '../../runtime-entry.ts'
import { joinGroup, type Membership } from './membership.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'

/** The shortest that brokers allow. */
const SESSION_MS = 6_000
const PARTITIONS = 6
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)

/** A member, wherever it runs, and what it was told last. */
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

async function join(
  settings: KafkaSettings,
  groupId: string,
): Promise<Told & { membership: Membership; lines: string[] }> {
  const told = { last: [] as readonly number[], times: 0 }
  const lines: string[] = []
  const membership = await joinGroup(settings, {
    groupId,
    topic: topicNames(settings).commands,
    sessionTimeoutMs: SESSION_MS,
    rejoinForMs: 30_000,
    onAssigned: (partitions) => {
      told.last = [...partitions]
      told.times++
    },
    onFailure: (error) => {
      throw error
    },
    log: (line) => lines.push(line),
  })
  opened.push(membership)
  return Object.assign(told, { membership, lines })
}

function joinFromChild(settings: KafkaSettings, groupId: string): Told & { child: ChildProcess } {
  const child = spawn(
    process.execPath,
    [
      runtimeEntry(new URL('./membership-child.ts', import.meta.url)),
      JSON.stringify(settings),
      groupId,
      topicNames(settings).commands,
      String(SESSION_MS),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  children.push(child)
  const told = { last: [] as readonly number[], times: 0, child }
  createInterface({ input: child.stdout }).on('line', (line) => {
    told.last = JSON.parse(line) as number[]
    told.times++
  })
  return told
}

async function until(what: string, holds: () => boolean, forMs = PATIENCE_MS): Promise<number> {
  const startedMs = performance.now()
  while (!holds()) {
    if (performance.now() - startedMs > forMs) throw new Error(`not within ${forMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return performance.now() - startedMs
}

/** All that several hold, in order. */
function together(...members: readonly Told[]): number[] {
  return members.flatMap(({ last }) => last).sort((a, b) => a - b)
}

await withKafka('who holds which partition', (kafka) => {
  describe('a membership', () => {
    it('two share, a third moves no more than its share, and one that leaves hands over at once', async () => {
      const settings = await kafka.deployment(PARTITIONS)
      const first = await join(settings, 'leavers')
      expect([...first.membership.partitions()]).toEqual(ALL)
      const second = await join(settings, 'leavers')
      await until('two halves', () => first.last.length === 3 && second.last.length === 3)
      expect(together(first, second)).toEqual(ALL)
      const before = [first, second].map(({ last }) => last)
      const third = await join(settings, 'leavers')
      await until('three thirds', () => [first, second, third].every(({ last }) => last.length === 2))
      expect(together(first, second, third)).toEqual(ALL)
      for (const [index, member] of [first, second].entries())
        for (const partition of member.last) expect(before[index]).toContain(partition)
      const kept = first.last
      await second.membership.leave()
      const tookMs = await until('two halves again', () => together(first, third).length === PARTITIONS)
      expect(tookMs).toBeLessThan(SESSION_MS)
      expect(first.last).toEqual(expect.arrayContaining([...kept]))
      expect([first, third].flatMap(({ lines }) => lines)).toEqual([])
    })

    it('a member that dies is replaced within the session’s time', async () => {
      const settings = await kafka.deployment(PARTITIONS)
      const other = joinFromChild(settings, 'killed')
      await until('the child has all', () => other.last.length === PARTITIONS)
      const here = await join(settings, 'killed')
      await until('two halves', () => here.last.length === 3 && other.last.length === 3)
      other.child.kill('SIGKILL')
      const tookMs = await until('all is here', () => here.last.length === PARTITIONS)
      // The session, a heartbeat of the one that is left to hear of it, and a slow machine.
      expect(tookMs).toBeLessThan(SESSION_MS + 12_000)
    })

    it('one that stands still is replaced, and is told when it goes on; it takes back no more than its share', async () => {
      const settings = await kafka.deployment(PARTITIONS)
      const other = joinFromChild(settings, 'paused')
      await until('the child has all', () => other.last.length === PARTITIONS)
      const here = await join(settings, 'paused')
      await until('two halves', () => here.last.length === 3 && other.last.length === 3)
      other.child.kill('SIGSTOP')
      await until('all is here', () => here.last.length === PARTITIONS)
      const toldBefore = other.times
      other.child.kill('SIGCONT')
      await until('it is told', () => other.times > toldBefore)
      await until('two halves', () => here.last.length === 3 && other.last.length === 3)
      expect(together(here, other)).toEqual(ALL)
      // Its old claim does not count: what moved is what the other gave, from its end.
      expect([here.last, other.last]).toEqual([[0, 1, 2], [3, 4, 5]]) // prettier-ignore
    })

    it('a topic that is not there is a failure with a code, not a wait for ever', async () => {
      const settings = { ...(await kafka.deployment()), topicPrefix: 'nobody-made-this' }
      const joining = joinGroup(settings, {
        groupId: 'lost',
        topic: topicNames(settings).commands,
        rejoinForMs: 1_500,
        onAssigned: () => undefined,
        onFailure: () => undefined,
        log: () => undefined,
      })
      await expect(joining).rejects.toMatchObject({ code: 'kafka_unreachable' })
    })

    it('joining ends when its signal aborts, and before it begins', async () => {
      const settings = { ...(await kafka.deployment()), topicPrefix: 'nobody-made-this-either' }
      const over = new AbortController()
      const lines: string[] = []
      const join = (): Promise<unknown> =>
        joinGroup(settings, {
          groupId: 'called-off',
          topic: topicNames(settings).commands,
          rejoinForMs: 600_000,
          onAssigned: () => undefined,
          onFailure: () => undefined,
          log: (line) => lines.push(line),
          signal: over.signal,
        })
      const joined = expect(join()).rejects.toThrow('enough')
      await until('it is told what keeps it from joining', () => lines.length > 0)
      over.abort(new Error('enough'))
      await joined
      await expect(join()).rejects.toThrow('enough')
    })
  })
})

await withKafkaCluster('a membership over a broker that fails', {}, (cluster, kafka) => {
  describe('a membership over a broker that fails', () => {
    it('survives a broker that comes back, and fails with a code when it stays away', async () => {
      const [broker] = cluster.brokers
      try {
        const settings = await kafka.deployment(PARTITIONS)
        const failures: unknown[] = []
        let held = 0
        const membership = await joinGroup(settings, {
          groupId: 'outage',
          topic: topicNames(settings).commands,
          sessionTimeoutMs: SESSION_MS,
          rejoinForMs: 20_000,
          onAssigned: (partitions) => {
            held = partitions.size
          },
          onFailure: (error) => failures.push(error),
          log: () => undefined,
        })
        opened.push(membership)
        await broker!.kill()
        await broker!.restart()
        const other = await join(settings, 'outage')
        await until('two halves', () => held === 3 && other.last.length === 3)
        expect(failures).toEqual([])
        expect(membership.outage()).toBeUndefined()
        await other.membership.leave()
        await broker!.kill()
        await until('it says that the group is silent', () => membership.outage() !== undefined)
        expect(membership.outage()).toMatch(/^Kafka's group outage has not answered for \d+ s: .*[^.]\.$/)
        await until('it gives up', () => failures.length > 0)
        expect(failures).toMatchObject([{ code: 'kafka_unreachable' }])
      } finally {
        await cluster.stop()
      }
    }, 120_000)
  })
})
