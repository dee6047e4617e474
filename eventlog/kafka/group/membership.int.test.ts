import { afterEach, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { until } from '../../../test/support/until.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { Members, type ChildMember, type Member, type Told } from './members.testing.ts'
import { joinGroup } from './membership.ts'

/** The shortest that brokers allow. */
const SESSION_MS = 6_000
const PARTITIONS = 6
const ALL = Array.from({ length: PARTITIONS }, (_, index) => index)

const members = new Members()
afterEach(() => members.end())

function join(settings: KafkaSettings, groupId: string): Promise<Member> {
  return members.join(settings, { groupId, sessionTimeoutMs: SESSION_MS, rejoinForMs: 30_000 })
}

function joinFromChild(settings: KafkaSettings, groupId: string): ChildMember {
  return members.joinFromChild(settings, { groupId, sessionTimeoutMs: SESSION_MS })
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
        const one = await members.join(settings, {
          groupId: 'outage',
          sessionTimeoutMs: SESSION_MS,
          rejoinForMs: 20_000,
          onFailure: (error) => failures.push(error),
        })
        const { membership } = one
        await broker!.kill()
        await broker!.restart()
        const other = await join(settings, 'outage')
        await until('two halves', () => one.last.length === 3 && other.last.length === 3)
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
