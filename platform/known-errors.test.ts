import { expect, test } from 'vitest'
import { LogError } from '../eventlog/errors.ts'
import { OutageError } from '../projectors/clickhouse/view-store.ts'
import { PlatformError } from './errors.ts'
import { failureOf, platformErrorOf, startAsPlatform } from './known-errors.ts'

const system = (code: string, more: object = {}): Error => Object.assign(new Error(code), { code, ...more })

test.each([
  ['of a part, by its code', new LogError('log_folder_in_use', 'Taken.'), 'folder_in_use', 'Taken.'],
  ['of the views, by its code', new OutageError('Away.', { cause: system('ECONNREFUSED') }), 'views_failed', 'Away.'],
  ['of the system', system('EADDRINUSE', { port: 4000 }), 'port_in_use', 'Port 4000 is in use by another program. Stop it, or choose another port.'],
  ['that wraps one of the system', new Error('failed', { cause: system('ENOSPC') }), 'folder_unusable', 'The disk is full. Make room; nothing that was acknowledged is lost.'],
  ['of ClickHouse that refuses', Object.assign(new Error('Code: 516. No.\nat x'), { type: 'ACCESS_DENIED' }), 'views_failed', 'ClickHouse refused: Code: 516. No. Check the database, the user, the password, and what this user may do.'],
  ['of a database that there is not', Object.assign(new Error('Database `nowhere` does not exist'), { type: 'UNKNOWN_DATABASE' }), 'views_failed', expect.stringMatching(/^There is no database nowhere in ClickHouse\..*`clickhouse\.database`\.$/) as string],
  ['of a database without a name', Object.assign(new Error('None.'), { type: 'UNKNOWN_DATABASE' }), 'views_failed', expect.stringMatching(/^There is no such database in ClickHouse\./) as string],
  ['that nobody knows', new Error('Out of paper.'), 'internal', 'This should not have happened: Out of paper. Please report it.'],
  ['that is none', 7, 'internal', 'Something unexpected happened: 7'],
] as const)('an error %s has its code and sentence', (_, error, code, message) => {
  const known = platformErrorOf(error)
  expect(known).toMatchObject({ code, message })
  expect(platformErrorOf(known)).toBe(known)
}) // prettier-ignore

test('what a part fails of that has no code of its own is called by the part', () => {
  expect(failureOf(new LogError('kafka_unreachable', 'Nobody answers.'), 'writer_failed').code).toBe('kafka_unreachable') // prettier-ignore
  expect(failureOf(new Error('Out of paper.'), 'views_failed')).toMatchObject({ code: 'views_failed', message: 'Out of paper.' }) // prettier-ignore
  expect(failureOf(new LogError('log_broken', 'Broken.'), 'gateway_failed').code).toBe('gateway_failed')
})

test('a start that is called off rejects with the reason that its signal gives', async () => {
  const reason = new Error('Enough.')
  const late = (): Promise<never> => Promise.reject(reason)
  await expect(startAsPlatform(late, AbortSignal.abort(reason))).rejects.toBe(reason)
  await expect(startAsPlatform(late)).rejects.toBeInstanceOf(PlatformError)
})
