/** The walk of docs/architecture.md against the code: what it names is there, it stays short, and it goes forward. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
const text = readFileSync(path.join(root, 'docs/architecture.md'), 'utf8')
const section = text.slice(text.indexOf('## The walk'), text.indexOf('## The life of a transfer'))

/** A thread's part of the road: the files it leads through, and what to look for in each. */
const threads = section.split(/^On the .*:$/m).slice(1)
const stepsOf = (part: string): readonly { file: string; name: string }[] =>
  [...part.matchAll(/^\d+\. `([\w/.-]+\.ts)` `(#?\w+)`: /gm)].map(([, file, name]) => ({ file: file!, name: name! })) // prettier-ignore
const steps = threads.flatMap(stepsOf)

test('the walk takes fewer than 30 hops, and says how many', () => {
  const hops = steps.length - 1
  expect(threads).toHaveLength(4)
  expect(hops).toBeLessThan(30)
  expect(section).toContain(`: ${hops} hops.`)
  expect([...section.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number))).toEqual(
    steps.map((_, index) => index + 1),
  )
})

test('each file and function of the walk is there, and what costs are named after is measured', () => {
  const bench = readFileSync(path.join(root, 'bench/walk.ts'), 'utf8')
  const measured = [.../const STEPS = \[(.*?)\]/s.exec(bench)![1]!.matchAll(/'(\w+)'/g)].map(
    ([, name]) => name,
  )
  const told = [...section.matchAll(/\[(\w+)[^\]]*\] [\d.]+ µs/g)].map(([, name]) => name)
  expect(told.sort()).toEqual(measured.sort())
  for (const [, file] of section.matchAll(/`([a-z][\w-]*\/[\w/.-]+\.ts)`/g))
    expect(() => readFileSync(path.join(root, file!)), file).not.toThrow()
  for (const { file, name } of steps)
    expect(readFileSync(path.join(root, file), 'utf8'), `${name} in ${file}`).toMatch(
      new RegExp(`${name.replace('#', '#?')}\\b`),
    )
})

test('no file comes twice on the way, but that of a thread’s port when a message leaves it', () => {
  for (const thread of threads) {
    const files = stepsOf(thread).map(({ file }) => file)
    const withoutPort = files.at(-1) === files[0] ? files.slice(0, -1) : files
    expect(new Set(withoutPort).size, files.join()).toBe(withoutPort.length)
  }
})
