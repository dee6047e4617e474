import tseslint from 'typescript-eslint'

/** What code that must stay deterministic may not touch: it gets time, chance and the world as arguments. */
const impure = [
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'performance',
  'process',
  'Buffer',
  'fetch',
  'crypto',
  'Promise',
]

/** Folder → folders of ours it may import from: the arrows of docs/architecture.md, in one table. */
const mayImport = {
  schemas: [],
  eventlog: ['schemas'],
  client: ['schemas'],
  writer: ['schemas', 'eventlog'],
  projectors: ['schemas', 'eventlog'],
  gateway: ['schemas', 'eventlog', 'writer', 'projectors'],
  cli: ['schemas', 'eventlog', 'client', 'writer', 'projectors', 'gateway'],
}
const ours = Object.keys(mayImport)

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
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: ours
            .filter((other) => other !== folder && !mayImport[folder].includes(other))
            .map((other) => ({
              regex: `^(\\.\\./)+${other}/`,
              message: `${folder} may not import ${other}: see docs/architecture.md`,
            })),
        },
      ],
    },
  })),
  {
    // The words and the core: no clock, no I/O, no chance, no promise.
    files: ['schemas/**/*.ts', 'writer/core/**/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...impure.map((name) => ({ name, message: 'This folder is pure: pass it in.' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'This folder is pure: pass it in.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^node:/]',
          message: 'This folder is pure: it imports nothing of Node.',
        },
        { selector: ':function[async=true]', message: 'This folder is pure: no promises.' },
        { selector: 'AwaitExpression', message: 'This folder is pure: no promises.' },
      ],
    },
  },
  {
    // The views' runtime: promises, but time and I/O only through its ports, so that it runs in the simulation.
    files: ['projectors/*.ts', 'projectors/{audit,balances,history}/*.ts'],
    ignores: ['**/*.test.ts', 'projectors/{clickhouse-store,prove,system-clock,testing}.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...impure
          .filter((name) => !['Promise', 'Buffer'].includes(name))
          .map((name) => ({ name, message: 'The runtime has ports for this: projectors/ports.ts.' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'The runtime is deterministic: pass it in.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^node:/]',
          message: 'The runtime has ports for this: projectors/ports.ts.',
        },
      ],
    },
  },
  {
    // What runs in the simulation beside the core and the views: time, chance and I/O only through ports. A path is a text,
    // and a digest follows from its bytes.
    files: [
      'writer/{loop,core-server,recovery,replay,snapshot,snapshot-file,snapshot-keeper,state-digest}.ts',
      'eventlog/{memory-queue,reader-rule,hashing,errors}.ts',
      'eventlog/file/{appender,group-commit,log-server,mark,recovery,reader,seal,segments,units,file-event-log}.ts',
      'eventlog/file/memory-disk.ts',
      'gateway/{settle-repeat,outcomes}.ts',
      'test/simulation/**/*.ts',
    ],
    ignores: [
      '**/*.test.ts',
      // The simulator's own adapters: its command line, its child processes, its copies of the program.
      'test/simulation/{main,jobs,places,run-mutants,child,turn}.ts',
      'test/simulation/views/settled.ts',
    ],
    rules: {
      'no-restricted-globals': [
        'error',
        ...impure
          .filter((name) => !['Promise', 'Buffer'].includes(name))
          .map((name) => ({ name, message: 'This runs in the simulation: ask a port.' })),
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'This runs in the simulation: ask a port.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ImportDeclaration[source.value=/^node:(?!path$|crypto$|zlib$)/]',
          message: 'This runs in the simulation: ask a port.',
        },
        {
          selector:
            "ImportDeclaration[source.value='node:crypto'] ImportSpecifier[imported.name!=/^(createHash|Hash)$/]",
          message: 'This runs in the simulation: nothing of chance.',
        },
      ],
    },
  },
  { files: ['**/*.js'], rules: {} },
)
