import tseslint from 'typescript-eslint'
import { MAY_IMPORT, MAY_NOT_IMPORT, ON_ANOTHER_FLOOR, PROGRAM_FOLDERS } from './bin/folders.js'

/** Tests, and what they share: no part of the program, and not built. */
const ofTests = ['**/*.test.ts', '**/*.testing.ts']

/** What code that must stay deterministic may not touch: it gets time, chance and the world as arguments. */
const impure = [
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'MessageChannel',
  'BroadcastChannel',
  'performance',
  'process',
  'Buffer',
  'fetch',
  'WebSocket',
  'crypto',
  'Promise',
  'WeakRef',
  'FinalizationRegistry',
  // Ways around the names above.
  'globalThis',
  'global',
  'require',
]

/**
 * What runs in the simulation, beside the pure folders and the views' runtime. `test/tidy.test.ts` follows the imports of
 * `test/simulation/seed.ts` and `crossings/run.ts`: whatever is loaded there stands here, or among the adapters below.
 */
const simulated = [
  'writer/thread/{loop,core-server}.ts',
  'writer/recovery/*.ts',
  'writer/snapshots/{snapshot-folder,snapshot-file,snapshot-format,snapshot-keeper,snapshot-rule,snapshot-saving}.ts',
  'eventlog/{frame-budget,memory-log,reader-rule,windowed-log,hashing,errors,system-error}.ts',
  'eventlog/queue/*.ts',
  'eventlog/handoff/{batch-memory,seal,slabs}.ts',
  'eventlog/disk/memory-disk.ts',
  'eventlog/file/{appender,group-commit,file-log-server,file-event-log}.ts',
  'eventlog/file/layout/*.ts',
  'eventlog/file/read/reader.ts',
  'eventlog/file/recovery/*.ts',
  'eventlog/kafka/events/shared-appender.ts',
  'gateway/outcomes/{settle-repeat,same-reversal,outcomes}.ts',
  'gateway/outcomes/crossings/life.ts',
  'writer/coordinator/{coordinator,next-step,reread,step-of,step-batch,step-target}.ts',
  'test/model/**/*.ts',
  'test/exploration/{books,laws,state}.ts',
  'test/support/memory-log.ts',
  'test/simulation/**/*.ts',
]

/** Loaded beside them and never called in a simulation: what stands behind the ports in a real process. */
export const adapters = [
  // The real disk, and what it writes past the page cache with.
  'eventlog/disk/disk.ts',
  'eventlog/disk/make-folders.ts',
  'eventlog/disk/direct-write.ts',
  // The thread that reads ahead, for readers that are given one.
  'eventlog/file/read/read-ahead.ts',
  'eventlog/file/read/read-windows.ts',
  'eventlog/runtime-entry.ts',
  // Memory that real threads share, free again when the collector says so; simulated ones take memory of their own.
  'eventlog/handoff/frame-memory.ts',
  // The clocks of real coordinators and of real views.
  'writer/coordinator/machine-clock.ts',
  'projectors/runtime/system-clock.ts',
]

/** The simulator's own adapters: its command line, its child processes, its copies of the program. */
const simulatorAdapters =
  'test/simulation/{main,command-line,jobs,repository-paths,run-mutants,child,turn}.ts'

/**
 * The rules of a part that has to be deterministic.
 * @param message what to do instead
 * @param may names of `impure` that it may use, modules that it may import
 */
function deterministic(message, may = { names: [], modules: [] }) {
  const modules = may.modules.map((name) => `(?!${name}$)`).join('')
  const outside = `/^(?!\\.)${modules}/`
  return {
    'no-restricted-globals': [
      'error',
      ...impure.filter((name) => !may.names.includes(name)).map((name) => ({ name, message })),
    ],
    'no-restricted-properties': [
      'error',
      { object: 'Math', property: 'random', message },
      { object: 'AbortSignal', property: 'timeout', message },
      { object: 'Atomics', property: 'wait', message },
      { object: 'Atomics', property: 'waitAsync', message },
    ],
    'no-restricted-syntax': [
      'error',
      ...['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration'].map((kind) => ({
        selector: `${kind}[source.value=${outside}]`,
        message,
      })),
      { selector: 'ImportExpression', message },
      {
        selector:
          "ImportDeclaration[source.value='node:crypto'] ImportSpecifier[imported.name!=/^(createHash|Hash)$/]",
        message,
      },
    ],
  }
}

/** As `deterministic`, and no promise. */
function pure() {
  const message = 'This folder is pure: pass it in.'
  // A parser of text does no I/O.
  const rules = deterministic(message, { names: [], modules: ['jsonc-parser'] })
  rules['no-restricted-syntax'].push(
    { selector: ':function[async=true]', message },
    { selector: 'AwaitExpression', message },
  )
  return rules
}

const ours = PROGRAM_FOLDERS

/** Keeps imports to the arrows of a folder, and from whatever else a pattern names. */
function onlyBelow(folder, more = []) {
  const arrows = ours
    .filter((other) => other !== folder && !MAY_IMPORT[folder].includes(other))
    .map((other) => ({
      regex: `^(\\.\\./)+${other}/`,
      message: `${folder} may not import ${other}: see docs/architecture.md`,
    }))
  return { 'no-restricted-imports': ['error', { patterns: [...arrows, ...more] }] }
}

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'data/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylisticTypeChecked],
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allow: [{ name: ['bigint'], from: 'lib' }] },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'error',
    },
  },
  ...ours.map((folder) => ({
    files: [`${folder}/**/*.ts`],
    ignores: ofTests,
    rules: onlyBelow(folder),
  })),
  ...MAY_NOT_IMPORT.map(({ from, to, why }) => ({
    files: [`${from}**/*.ts`],
    ignores: ofTests,
    rules: onlyBelow(from.split('/')[0], [
      {
        regex: `^(\\.\\./)+${to.split('/').slice(1).join('/')}`,
        message: `${from} may not import ${to}: ${why}`,
      },
    ]),
  })),
  ...ON_ANOTHER_FLOOR.map(({ files, floor }) => ({ files: [...files], rules: onlyBelow(floor) })),
  {
    // The words and the core: no clock, no I/O, no chance, no promise.
    files: ['schemas/**/*.ts', 'writer/core/**/*.ts'],
    ignores: ofTests,
    rules: pure(),
  },
  {
    // The views' runtime: promises, but time and I/O only through its ports, so that it runs in the simulation.
    files: [
      'projectors/*.ts',
      'projectors/{runtime,registry,proof,clickhouse,views}/**/*.ts',
      'projectors/code/{code-target,rows-store,tables}.ts',
      'projectors/code/author/{evaluator,inline-author,partition-states,port,thrown}.ts',
      'projectors/code/values/*.ts',
    ],
    ignores: [
      ...ofTests,
      'projectors/clickhouse/{clickhouse-store,clickhouse-users}.ts',
      'projectors/proof/prove.ts',
      'projectors/proof/replay.ts',
      'projectors/runtime/system-clock.ts',
    ],
    rules: deterministic('The runtime has ports for this: projectors/runtime/ports.ts.', {
      names: ['Promise', 'Buffer'],
      modules: [],
    }),
  },
  {
    // What runs in the simulation beside the core and the views: time, chance and I/O only through ports. A path is a text,
    // and a digest follows from its bytes.
    files: simulated,
    ignores: [...ofTests, simulatorAdapters],
    rules: deterministic('This runs in the simulation: ask a port.', {
      names: ['Promise', 'Buffer'],
      modules: ['node:path', 'node:crypto', 'node:zlib'],
    }),
  },
  {
    // A program that is read first prints as programs do.
    files: ['examples/embed.ts'],
    rules: { 'no-console': 'off' },
  },
  { files: ['**/*.js'], rules: {} },
)
