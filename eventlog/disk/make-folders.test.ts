import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { needProc } from '../../test/support/left-out.ts'
import { makeFolders } from './make-folders.ts'

const root = mkdtempSync(path.join(os.tmpdir(), 'purser-folders-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('making folders', () => {
  test('every missing folder is made, and the topmost one is told', () => {
    expect(makeFolders(path.join(root, 'a', 'b', 'c'))).toBe(path.join(root, 'a'))
    expect(statSync(path.join(root, 'a', 'b', 'c')).mode & 0o777).toBe(0o700)
    expect(makeFolders(path.join(root, 'a', 'd'))).toBe(path.join(root, 'a', 'd'))
  })

  test('a folder that is there is left as it is', () => {
    expect(makeFolders(root)).toBeUndefined()
  })

  test('where the system makes no folder, that is said at once', (context) => {
    needProc(context)
    for (const name of ['/proc/x', '/proc/x/y/z'])
      expect(() => makeFolders(name)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'mkdir' }))
  })

  test.each([
    ['a file', 'file', 'EEXIST'],
    ['a name below a file', 'file/x', 'ENOTDIR'],
    ['a link to nothing', 'dangling', 'EEXIST'],
    ['a link to itself below', 'loop/x', 'ELOOP'],
    ['a name that is too long', 'x'.repeat(300), 'ENAMETOOLONG'],
  ])('%s is no folder, and stays what it is', (_what, name, code) => {
    if (!existsSync(path.join(root, 'file'))) {
      writeFileSync(path.join(root, 'file'), 'kept')
      symlinkSync(path.join(root, 'nothing'), path.join(root, 'dangling'))
      symlinkSync(path.join(root, 'loop'), path.join(root, 'loop'))
    }
    expect(() => makeFolders(path.join(root, name))).toThrow(expect.objectContaining({ code }))
    expect(existsSync(path.join(root, 'nothing'))).toBe(false)
  })
})
