/**
 * Members whose session outlasts every test: whoever is replaced here, was missed by the signs of life alone.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { withKafka, withKafkaCluster } from '../../../test/support/kafka.ts'
import { TEST_MS_MAX } from '../../../test/support/patience.ts'
import { until } from '../../../test/support/until.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { SIGN_EVERY_MS } from './member-watch.ts'
import { Members, type ChildMember, type Member } from './members.testing.ts'
import type { MembershipOptions } from './membership.ts'
import { SILENT_SIGNS } from './signs-of-life.ts'

/** Longer than anybody may be silent. */
const QUIET_MS = 2 * SIGN_EVERY_MS * SILENT_SIGNS

const members = new Members()
afterEach(() => members.end())

function optionsOf(settings: KafkaSettings, partitions: number): Pick<MembershipOptions, 'groupId' | 'sessionTimeoutMs' | 'signsOfLife'> {
  const signsOfLife = { standbyTopic: topicNames(settings).events, partitions }
  return { groupId: 'lives', sessionTimeoutMs: 600_000, signsOfLife }
} // prettier-ignore

function join(settings: KafkaSettings, partitions: number): Promise<Member> {
  return members.join(settings, { ...optionsOf(settings, partitions), partitions })
}

function joinFromChild(settings: KafkaSettings, partitions: number): ChildMember {
  return members.joinFromChild(settings, optionsOf(settings, partitions))
}

await withKafka('members that show each other that they live', (kafka) => {
  /** Settings, a member here and one in a child, each with half of the partitions. */
  async function two(
    partitions: number,
  ): Promise<{ settings: KafkaSettings; here: Member; other: ChildMember }> {
    const settings = await kafka.deployment(partitions)
    const other = joinFromChild(settings, partitions)
    await until('the child has all', () => other.last.length === partitions)
    const here = await join(settings, partitions)
    await until('two halves', () => here.last.length === partitions / 2 && other.last.length === partitions / 2)
    // Its signs are known.
    await sleep(3 * SIGN_EVERY_MS)
    return { settings, here, other }
  } // prettier-ignore

  describe('members that show each other that they live', { timeout: TEST_MS_MAX }, () => {
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
    TEST_MS_MAX,
  )
})
