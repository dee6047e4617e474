/** What tests need of the machine beside Node, and which of it a run may not do without. */

/** How each program is asked whether it is there. */
export const PROGRAMS = {
  'docker-compose': ['--version'],
  haproxy: ['-v'],
  kcat: ['-V'],
  openssl: ['version'],
  python3: ['--version'],
} as const

export type Program = keyof typeof PROGRAMS

/** `kafka`: Java, and Kafka's jars. `disks`: leave to mount a disk of one's own. `proc`: what Linux tells of its processes. */
export const NEEDS = [...(Object.keys(PROGRAMS) as Program[]), 'kafka', 'disks', 'proc'] as const

export type Need = (typeof NEEDS)[number]

export const REQUIRE_VARIABLE = 'PURSER_TESTS_REQUIRE'

/**
 * What may not be left out: `PURSER_TESTS_REQUIRE` is empty, `all`, or names between commas.
 * @throws Error about a name that is none
 */
export function requiredNeeds(environment: NodeJS.ProcessEnv = process.env): ReadonlySet<Need> {
  const text = environment[REQUIRE_VARIABLE] ?? ''
  if (text === 'all') return new Set(NEEDS)
  const names = text.split(',').filter((name) => name !== '')
  const unknown = names.filter((name) => !(NEEDS as readonly string[]).includes(name))
  if (unknown.length > 0)
    throw new Error(`${REQUIRE_VARIABLE} names ${unknown.join(', ')}; known are all, ${NEEDS.join(', ')}`)
  return new Set(names as Need[])
}
