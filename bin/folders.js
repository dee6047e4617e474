/**
 * The folders of the program, and the arrows between them: folder → folders of ours that it may import from. The one table:
 * the build, lint and `test/tidy.test.ts` read it, and docs/architecture.md draws it.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const MAY_IMPORT = {
  schemas: [],
  eventlog: ['schemas'],
  client: ['schemas'],
  writer: ['schemas', 'eventlog'],
  projectors: ['schemas', 'eventlog'],
  gateway: ['schemas', 'eventlog', 'writer', 'projectors'],
  platform: ['schemas', 'eventlog', 'writer', 'projectors', 'gateway'],
  cli: ['schemas', 'eventlog', 'client', 'writer', 'projectors', 'gateway', 'platform'],
}

/** What is built, and what an image holds. */
export const PROGRAM_FOLDERS = Object.keys(MAY_IMPORT)
