/**
 * A member of a group in a process of its own, for tests that stop it: `membership-child.js <settings> <group> <topic>
 * <session ms> [signs of life]`. It says each assignment on standard output, as a JSON array.
 */
import { writeSync } from 'node:fs'
import { joinGroup, type MembershipOptions } from './membership.ts'
import type { KafkaSettings } from '../settings.ts'

const [settings, groupId, topic, sessionTimeoutMs, signsOfLife] = process.argv.slice(2)
await joinGroup(JSON.parse(settings!) as KafkaSettings, {
  groupId: groupId!,
  topic: topic!,
  sessionTimeoutMs: Number(sessionTimeoutMs),
  ...(signsOfLife === undefined
    ? {}
    : { signsOfLife: JSON.parse(signsOfLife) as NonNullable<MembershipOptions['signsOfLife']> }),
  onAssigned: (partitions) => writeSync(1, `${JSON.stringify([...partitions])}\n`),
  onFailure: (error) => {
    writeSync(2, `${error.message}\n`)
    process.exit(1)
  },
  log: (line) => writeSync(2, `${line}\n`),
})
