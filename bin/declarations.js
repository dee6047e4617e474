/**
 * Writes the declarations of what the package exports to `dist/types/`: for `npm pack` alone, since nothing that runs needs
 * them. Types are not checked here; `npm run check` does that.
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ensureBuilt, root } from './build.js'

const types = path.join(await ensureBuilt(), 'types')
const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
/** `./dist/types/client/index.d.ts` is made of `client/index.ts`. */
const entries = Object.values(exports).flatMap(({ types: file }) =>
  file === undefined ? [] : [path.join(root, file.replace('./dist/types/', '').replace(/\.d\.ts$/, '.ts'))],
)

const { default: ts } = await import('typescript')
const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: entries }, ts.sys, root)
rmSync(types, { recursive: true, force: true })
const program = ts.createProgram(entries, {
  ...options,
  noEmit: false,
  noCheck: true,
  declaration: true,
  emitDeclarationOnly: true,
  rootDir: root,
  outDir: types,
})
// A type that cannot be named leaves out a whole file, and then everything that it declares is `any`.
for (const { file, messageText } of program.emit().diagnostics)
  throw new Error(`${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`)
// As in the built files, an import names what stands there: `./x.js`.
for (const name of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue
  const file = path.join(types, name)
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(/(from |import\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'),
  )
}
for (const entry of entries)
  if (!existsSync(path.join(types, path.relative(root, entry).replace(/\.ts$/, '.d.ts'))))
    throw new Error(`There are no declarations of ${entry}.`)
