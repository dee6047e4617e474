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

/**
 * Sources that stand on a higher floor than their folder. A view keeps what it brings to the GraphQL schema beside its tables
 * and its queries; that part may import what the gateway may, and the gateway itself. The kit for authors outside hands out what
 * the product is made of, and runs a platform for their tests.
 * @type {readonly { readonly files: readonly string[]; readonly floor: string }[]}
 */
export const ON_ANOTHER_FLOOR = [
  { files: ['projectors/views/built-in.ts', 'projectors/views/*/graphql.ts'], floor: 'gateway' },
  {
    files: [
      'projectors/kit/index.ts',
      'projectors/kit/define.ts',
      'projectors/kit/live-rows.ts',
      'projectors/kit/scenario.ts',
      'projectors/kit/scenario-*.ts',
    ],
    floor: 'platform',
  },
]

/**
 * The folder by whose arrows a source goes.
 * @param {string} name relative to the root, `projectors/views/balances/graphql.ts`
 */
export function floorOf(name) {
  const matches = (glob) => new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}$`).test(name)
  return ON_ANOTHER_FLOOR.find(({ files }) => files.some(matches))?.floor ?? name.split('/')[0]
}

/**
 * Folders of one floor between which there is no arrow: what runs the projections takes them as a parameter.
 * @type {readonly { readonly from: string; readonly to: string; readonly why: string }[]}
 */
export const MAY_NOT_IMPORT = ['runtime', 'proof', 'clickhouse', 'engine'].map((folder) => ({
  from: `projectors/${folder}/`,
  to: 'projectors/views/',
  why: 'which views there are is a parameter',
}))
