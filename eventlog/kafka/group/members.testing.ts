/** Members of a group for tests, in this process and in children that a test can stop. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { runtimeEntry } from '../../runtime-entry.ts'
import { topicNames, type KafkaSettings } from '../settings.ts'
import { joinGroup, type Membership, type MembershipOptions } from './membership.ts'

/** A member, wherever it runs, and what it was told. */
export interface Told {
  /** The partitions that are its own, as it heard last. */
  last: readonly number[]
  /** How often it was told. */
  times: number
}

export interface Member extends Told {
  readonly membership: Membership
  readonly lines: string[]
}

export interface ChildMember extends Told {
  readonly child: ChildProcess
}

type MemberOptions = Partial<MembershipOptions> & Pick<MembershipOptions, 'groupId' | 'sessionTimeoutMs'>

export class Members {
  readonly #joined: Membership[] = []
  readonly #children: ChildProcess[] = []

  /** A member here, of those who share out the commands topic. */
  async join(settings: KafkaSettings, options: MemberOptions): Promise<Member> {
    const told = { last: [] as readonly number[], times: 0, lines: [] as string[] }
    const membership = await joinGroup(settings, {
      topic: topicNames(settings).commands,
      onAssigned: (partitions) => {
        told.last = [...partitions]
        told.times++
      },
      onFailure: (error) => {
        throw error
      },
      log: (line) => told.lines.push(line),
      ...options,
    })
    this.#joined.push(membership)
    return Object.assign(told, { membership })
  }

  /** The same in a process of its own. */
  joinFromChild(
    settings: KafkaSettings,
    { groupId, sessionTimeoutMs, signsOfLife }: MemberOptions,
  ): ChildMember {
    const child = spawn(
      process.execPath,
      [
        runtimeEntry(new URL('./membership-child.ts', import.meta.url)),
        JSON.stringify(settings),
        groupId,
        topicNames(settings).commands,
        String(sessionTimeoutMs),
        ...(signsOfLife === undefined ? [] : [JSON.stringify(signsOfLife)]),
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    )
    this.#children.push(child)
    const told = { last: [] as readonly number[], times: 0, child }
    createInterface({ input: child.stdout }).on('line', (line) => {
      told.last = JSON.parse(line) as number[]
      told.times++
    })
    return told
  }

  /** Kills the children, and leaves what was joined here. */
  async end(): Promise<void> {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL')
    for (const membership of this.#joined.splice(0)) await membership.leave()
  }
}
