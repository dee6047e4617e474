/** Rules of the repository that no type check sees. */
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ESLint } from 'eslint'
import { describe, expect, test } from 'vitest'
import { floorOf, MAY_IMPORT, MAY_NOT_IMPORT, PROGRAM_FOLDERS } from '../bin/folders.js'
import { OTHER_VARIABLES, SETTINGS, type Role, type Setting } from '../platform/configuration/settings.ts'
import {
  ID_REFUSALS,
  REFUSAL_CODES,
  REFUSAL_MESSAGES,
  REFUSAL_TRANSIENT,
  type RefusalCode,
} from '../schemas/refusals.ts'
import { importsOf, loadedBy } from './support/imports.ts'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const FOLDERS = [...PROGRAM_FOLDERS, 'examples', 'test', 'bin']
const LINES_MAX = 450
/** More than this are not seen at one glance. */
const FILES_MAX = 15

interface Source {
  readonly name: string
  readonly text: string
}

function filesIn(folder: string, pattern: RegExp): Source[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => ({ name: `${folder}/${name}`, text: readFileSync(path.join(root, folder, name), 'utf8') }))
}

/** True in the program's own folders, and in those named besides. */
function isProgram(name: string, besides: readonly string[] = []): boolean {
  return [...PROGRAM_FOLDERS, ...besides].includes(name.split('/')[0]!)
}

/** Tests, and what they share: neither is part of the program, so both may look anywhere. */
function isOfTests(name: string): boolean {
  return /(\.test|\btesting(-\w+)?)\.ts$/.test(name)
}

const sources = FOLDERS.flatMap((folder) => filesIn(folder, /\.(ts|js)$/))
const documents = [
  ...filesIn('docs', /\.md$/),
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((name) => ({
    name,
    text: readFileSync(path.join(root, name), 'utf8'),
  })),
]

describe('the code', () => {
  test('imports go one way', () => {
    const wrong = sources
      .filter(({ name }) => !isOfTests(name))
      .flatMap(({ name, text }) => importsOf(name, text).map((imported) => [name, imported] as const))
      .filter(([name, imported]) => {
        const [folder, other] = [floorOf(name), floorOf(imported)]
        if (MAY_NOT_IMPORT.some(({ from, to }) => name.startsWith(from) && imported.startsWith(to)))
          return true
        return folder in MAY_IMPORT && other !== folder && !MAY_IMPORT[folder]!.includes(other)
      })
    expect(wrong).toEqual([])
  })

  test(`no file is longer than ${LINES_MAX} lines`, () => {
    const long = sources.filter(({ text }) => text.split('\n').length > LINES_MAX + 1)
    expect(long.map(({ name }) => name)).toEqual([])
  })

  test('nothing is left over: no markers, no skipped or lone tests, no debugger', () => {
    // Put together here, so that this file does not find itself.
    const marker = new RegExp(['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', '\\b(test|it|describe)\\.(sk' + 'ip|on' + 'ly)\\b', '^\\s*debug' + 'ger\\b'].join('|'), 'm') // prettier-ignore
    expect(
      [...sources, ...documents].filter(({ text }) => marker.test(text)).map(({ name }) => name),
    ).toEqual([])
  })

  test('no path of somebody’s machine stands in code or documents', () => {
    const machine = new RegExp(['/ho' + 'me/', '/Us' + 'ers/', '/wo' + 'rk/', 'C:' + '\\\\'].join('|'))
    expect(
      [...sources, ...documents].filter(({ text }) => machine.test(text)).map(({ name }) => name),
    ).toEqual([])
  })

  test('only the configuration reads the environment', () => {
    const readers = sources
      .filter(({ name }) => isProgram(name, ['examples']))
      .filter(({ name, text }) => !isOfTests(name) && text.includes('process.env'))
    expect(readers.map(({ name }) => name)).toEqual(['platform/configuration/config.ts'])
  })

  test('what stands once is asked for there', () => {
    const once: readonly (readonly [RegExp, string])[] = [
      [/instanceof Error\s*\?\s*\w+\.message\s*:\s*String\(/, 'schemas/errors.ts'],
      [/const NS_PER_MS\b/, 'schemas/time.ts'],
      [/No platform answers at/, 'cli/ask.ts'],
    ]
    for (const [pattern, place] of once) {
      const places = sources.filter(({ name, text }) => !name.endsWith('test.ts') && pattern.test(text))
      expect(places.map(({ name }) => name)).toEqual([place])
    }
  })

  test('what nobody else may use is private at run time as well: a member with #', () => {
    // What is called once a transfer keeps TypeScript's `private`: whether # costs anything there was not measured.
    const yet =
      /^(writer|eventlog\/kafka|test\/simulation)\/|^bench\/(core-thread|generator|histogram|random|serial-set|walk)\.ts|^gateway\/lane\/lane\.int\.test\.ts/
    const found = sources.filter(
      ({ name, text }) => !yet.test(name) && /^\s+private (?!constructor)/m.test(text),
    )
    expect(found.map(({ name }) => name)).toEqual([])
  })

  test('kafkajs has one door, and its consumer is asked for by who shares out partitions alone', () => {
    const users = (pattern: RegExp): string[] =>
      sources
        .filter(({ name }) => isProgram(name))
        .filter(({ name, text }) => !isOfTests(name) && pattern.test(text))
        .map(({ name }) => name)
    expect(users(/^import (?!type\b).*'kafkajs|require\('kafkajs/m)).toEqual([
      'eventlog/kafka/kafkajs/client.ts',
    ])
    expect(users(/\.consumer\(/)).toEqual(['eventlog/kafka/group/membership.ts'])
  })

  test('folders are made by makeFolders: a recursive mkdir of Node spins where the system makes none', () => {
    const product = sources.filter(({ name }) => isProgram(name) && !name.includes('test'))
    const found = product.filter(({ text }) => /mkdir(Sync)?\([^)]*recursive/s.test(text))
    expect(found.map(({ name }) => name)).toEqual([])
  })

  test('every source is used: another source, a document or the package names it', () => {
    const settings = ['package.json', 'vitest.config.ts', 'eslint.config.js'].map((name) => ({
      name,
      text: readFileSync(path.join(root, name), 'utf8'),
    }))
    const texts = [...sources, ...documents, ...settings]
    // Threads and child processes are started from the built file.
    const names = (name: string): string[] => [
      path.basename(name),
      path.basename(name).replace(/\.ts$/, '.js'),
    ]
    const isNamed = ({ name }: Source): boolean =>
      texts.some((other) => other.name !== name && names(name).some((one) => other.text.includes(one)))
    const dead = sources.filter((source) => !/\.(test|d)\.ts$/.test(source.name) && !isNamed(source))
    expect(dead.map(({ name }) => name)).toEqual([])
  })
})

describe('the folders', () => {
  test.each(['tsconfig.json', 'Dockerfile', '.dockerignore'])(
    '%s names every folder of the program',
    (name) => {
      const text = readFileSync(path.join(root, name), 'utf8')
      const forms = (folder: string): string[] => [`"${folder}"`, `COPY ${folder} ${folder}`, `!${folder}\n`]
      expect(PROGRAM_FOLDERS.filter((folder) => !forms(folder).some((form) => text.includes(form)))).toEqual(
        [],
      )
    },
  )

  test(`none of them holds more than ${FILES_MAX} files side by side, tests of its own left out`, () => {
    const counts = new Map<string, number>()
    for (const { name } of sources.filter(({ name }) => isRoom(name)))
      counts.set(path.dirname(name), (counts.get(path.dirname(name)) ?? 0) + 1)
    expect([...counts].filter(([, count]) => count > FILES_MAX)).toEqual([])
  })
})

/** Sources of the folders whose names say where something is. */
function isRoom(name: string): boolean {
  return /^(gateway|eventlog|writer|projectors|platform|client)\//.test(name) && !/\.test(ing)?\./.test(name)
}

describe('what a program embeds', () => {
  test.each(['platform/index.ts', 'client/index.ts'])(
    '%s leaves the environment, signals, the standard streams and the end of the process to the program',
    (entry) => {
      const loaded = loadedBy(entry)
      expect(loaded.length).toBeGreaterThan(10)
      expect(loaded.filter((name) => /^cli\/|^platform\/configuration\//.test(name))).toEqual([])
      const taken =
        /\bprocess\.(env|exit|exitCode|abort|on|once|stdout|stderr|stdin)\b|\bconsole\.|from '(commander|cli-progress)'/
      expect(loaded.filter((name) => taken.test(readFileSync(path.join(root, name), 'utf8')))).toEqual([])
    },
  )

  test('README shows the example that is run', () => {
    const readme = documents.find(({ name }) => name === 'README.md')!.text
    const { text } = sources.find(({ name }) => name === 'examples/embed.ts')!
    expect(readme).toContain(`\`\`\`ts\n${text.slice(text.indexOf('import'))}\`\`\``)
  })
})

describe('what runs in the simulation', () => {
  /** The rules that `deterministic` in eslint.config.js gives: a name that it bans shows that they are on. */
  async function isHeld(eslint: ESLint, name: string): Promise<boolean> {
    const config = (await eslint.calculateConfigForFile(path.join(root, name))) as {
      rules?: Record<string, readonly (number | { name?: string })[]>
    }
    const banned = config.rules?.['no-restricted-globals'] ?? []
    return banned.some((entry) => typeof entry === 'object' && entry.name === 'Date')
  }

  test('every source that it loads is held to its ports by lint, or is an adapter by name', async () => {
    const { adapters } = (await import(pathToFileURL(path.join(root, 'eslint.config.js')).href)) as {
      adapters: readonly string[]
    }
    const eslint = new ESLint({ cwd: root })
    const begins = ['test/simulation/seed.ts', 'test/simulation/crossings/run.ts']
    const loaded = [...new Set(begins.flatMap((begin) => loadedBy(begin)))]
    expect(loaded).toContain('writer/thread/core-server.ts')
    const held = await Promise.all(loaded.map((name) => isHeld(eslint, name)))
    expect(loaded.filter((name, at) => !held[at] && !adapters.includes(name))).toEqual([])
    // An adapter that is not loaded, or is held after all, need not be named.
    expect(adapters.filter((name) => !loaded.includes(name) || held[loaded.indexOf(name)])).toEqual([])
  })

  test.each([
    'export const now = (): number => Date.now()',
    'export const now = (): number => globalThis.Date.now()',
    'export const soon = (): AbortSignal => AbortSignal.timeout(5)',
    'export const chance = (): number => Math.random()',
    "export const disk = (): unknown => import('node:fs')",
    "import { readFileSync } from 'node:fs'\nexport const read = readFileSync",
    "import { readFileSync } from 'fs'\nexport const read = readFileSync",
    "export { readFileSync } from 'node:fs'",
    "import { randomBytes } from 'node:crypto'\nexport const chance = randomBytes",
    'export const later = (task: () => void): unknown => setTimeout(task, 1)',
  ])('%j is refused there', async (source) => {
    const eslint = new ESLint({
      cwd: root,
      ruleFilter: ({ ruleId }) => /^no-restricted-(globals|properties|syntax)$/.test(ruleId),
      // None of these rules asks for types.
      overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
    })
    const [result] = await eslint.lintText(`${source}\n`, {
      filePath: path.join(root, 'writer/thread/loop.ts'),
    })
    const said = result!.messages.map(({ message }) => message)
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('This runs in the simulation: ask a port.')
  })
})

describe('the documents', () => {
  const readme = documents.find(({ name }) => name === 'README.md')!.text

  test('README and distributed.md list every setting with its variable, default and meaning, and who uses it', () => {
    const distributed = documents.find(({ name }) => name === 'docs/distributed.md')!.text
    const isEmbedded = ({ roles }: Setting): boolean => roles.includes('platform')
    const isOfRole = ({ roles }: Setting): boolean => roles.some((role) => role !== 'platform')
    const settings: readonly Setting[] = Object.values(SETTINGS)
    expect(settingRows(readme)).toEqual(settings.filter(isEmbedded).map((setting) => settingRow(setting)))
    expect(settingRows(distributed)).toEqual(
      settings.filter(isOfRole).map((setting) => settingRow(setting, setting.roles)),
    )
    for (const variable of Object.keys(OTHER_VARIABLES)) expect(readme).toContain(`\`${variable}\``)
  })

  test('refusals.md is the list in the code, in the order in which the reasons are checked', () => {
    const text = documents.find(({ name }) => name === 'docs/refusals.md')!.text
    const rows = [...text.matchAll(/^\| (\d*) ?\| `(\w+)` \| (yes|no) \| (.+) \|$/gm)].map((match) =>
      match.slice(1),
    )
    const row = (number: string, code: RefusalCode): string[] =>
      [number, code, REFUSAL_TRANSIENT[code] ? 'yes' : 'no', REFUSAL_MESSAGES[code]] // prettier-ignore
    expect(rows).toEqual([
      ...Object.entries(REFUSAL_CODES).map(([code, number]) => row(String(number), code as RefusalCode)),
      ...ID_REFUSALS.map((code) => row('', code)),
    ])
  })

  test('every invariant names tests that exist', () => {
    const text = documents.find(({ name }) => name === 'docs/invariants.md')!.text
    const rows = text.split('\n').filter((line) => /^\| \d+ /.test(line))
    expect(rows).toHaveLength(11)
    for (const row of rows) {
      const named = [...row.matchAll(/`([\w/.-]+\.test\.ts)`/g)].map((match) => match[1]!)
      expect(named.length, row).toBeGreaterThan(0)
      for (const name of named) expect(sources.map((source) => source.name)).toContain(name)
    }
  })

  test('every kind of input names tests that are there, by their titles', () => {
    const text = documents.find(({ name }) => name === 'docs/inputs.md')!.text
    const named = text
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .flatMap((line) => titlesIn(line.split(' | ').at(-1)!))
    expect(named.length).toBeGreaterThan(150)
    const isThere = ({ file, title }: NamedTest): boolean =>
      sources.some(({ name, text }) => name === file && text.replaceAll("\\'", "'").includes(title))
    expect(named.filter((one) => !isThere(one))).toEqual([])
  })

  test('dependencies.md names every dependency', () => {
    const text = documents.find(({ name }) => name === 'docs/dependencies.md')!.text
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(path.join(root, 'package.json'), 'utf8'),
    ) as Record<'dependencies' | 'devDependencies', Record<string, string>>
    const names = Object.keys({ ...dependencies, ...devDependencies }).filter(
      (name) => !name.startsWith('@types/'),
    )
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([])
  })

  test('every decision says its date, whether it holds, and what was not taken; the index repeats it', () => {
    const decisions = documents.filter(({ name }) => /^docs\/decisions\/\d{4}-/.test(name))
    const index = documents.find(({ name }) => name === 'docs/decisions/README.md')!.text
    const rows = decisions.map(({ name, text }) => {
      const said = /^# (\d+)\. (.+)\n\n(\d{4}-\d{2}-\d{2}) · ((?:holds|superseded by \[\d+\]).*)\n\n/.exec(
        text,
      )
      expect(said, `${name}: number and title, then its date and "holds" or "superseded by"`).not.toBeNull()
      expect(text, name).toContain('\n**Not taken.**')
      const [, number, title, date, status] = said!
      expect(path.basename(name).startsWith(number!.padStart(4, '0')), name).toBe(true)
      return `| ${number} | [${title}](${path.basename(name)}) | ${date} | ${status} |`
    })
    expect(rows.sort()).toEqual(index.match(/^\| \d+ \| .+$/gm)!.sort())
  })

  test('the index names every document, README names the index', () => {
    const index = documents.find(({ name }) => name === 'docs/README.md')!.text
    const named = [...index.matchAll(/\]\(([^)]+\.md)\)/g)].map((match) => path.join('docs', match[1]!))
    const expected = documents
      .map(({ name }) => name)
      .filter((name) => !/^docs\/(README\.md|decisions\/\d{4}-.*)$/.test(name))
    expect([...new Set(named)].sort()).toEqual(expected.sort())
    expect(readme).toContain('](docs/README.md)')
  })

  test('CONTRIBUTING names files that are there', () => {
    const text = documents.find(({ name }) => name === 'CONTRIBUTING.md')!.text
    const named = [...text.matchAll(/`([^`\n]+)`/g)].flatMap(
      ([, code]) => code!.match(/(?<![\w/.:-])[\w.-]+\/[\w/.-]*/g) ?? [],
    )
    expect(named.length).toBeGreaterThan(30)
    expect(named.filter((name) => name !== 'dist/' && !exists(name))).toEqual([])
  })

  test('links between documents lead somewhere', () => {
    const broken = documents.flatMap(({ name, text }) =>
      [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
        .map((match) => path.join(path.dirname(name), match[1]!))
        .filter((target) => !exists(target))
        .map((target) => `${name} → ${target}`),
    )
    expect(broken).toEqual([])
  })
})

interface NamedTest {
  readonly file: string
  /** Or a part of it. */
  readonly title: string
}

/** The tests that a cell names: files, and behind each the titles in quotes. */
function titlesIn(cell: string): readonly NamedTest[] {
  const files = [...cell.matchAll(/[\w/.-]+\.test\.ts/g)]
  return files.flatMap(({ 0: file, index }, at) => {
    const behind = cell.slice(index, files[at + 1]?.index)
    return [...behind.matchAll(/"([^"]+)"/g)].map((match) => ({ file, title: match[1]! }))
  })
}

/** The rows of a document's table of settings. */
function settingRows(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith('| `--'))
}

function settingRow({ flag, variable, fallback, meaning }: Setting, roles: readonly Role[] = []): string {
  const who = roles.filter((role) => role !== 'platform').join(', ')
  const cells = [`\`${flag}\``, `\`${variable}\``, fallback === '' ? '' : `\`${fallback}\``, who, meaning]
  return `| ${cells.filter((_, index) => index !== 3 || who !== '').join(' | ')} |`
}

function exists(target: string): boolean {
  try {
    readdirSync(path.join(root, target))
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTDIR'
  }
}
