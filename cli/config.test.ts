import { expect, test } from 'vitest'
import { readConfig, SETTINGS } from './config.ts'
import { CommandFailure } from './failure.ts'

test('without flags and variables, the documented defaults hold', () => {
  const config = readConfig({}, {})
  expect(config).toMatchObject({ port: 4000, host: '127.0.0.1', dataDir: './data', graphiql: true })
  expect(config.currencies.get('EUR')).toEqual({ code: 'EUR', scale: 2 })
})

test('a flag wins over a variable, and a variable over the default', () => {
  const environment = { PURSER_PORT: '5000', PURSER_DATA: '/tmp/from-variable' }
  expect(readConfig({ port: '6000' }, environment)).toMatchObject({
    port: 6000,
    dataDir: '/tmp/from-variable',
  })
})

test('currencies come from the repeated flag or the listed variable, beside those of ISO 4217', () => {
  const { currencies } = readConfig({ currency: ['USDC:6', 'GEMS:0'] }, {})
  expect(currencies.get('USDC')).toEqual({ code: 'USDC', scale: 6 })
  expect(readConfig({}, { PURSER_CURRENCIES: 'USDC:6, GEMS:0' }).currencies).toEqual(currencies)
})

test('all faults are reported at once, each by the name under which it was given', () => {
  const failure = failureOf(() =>
    readConfig(
      { port: '70000', currency: ['usd:2', 'EUR:3'] },
      { PURSER_HOST: 'a b', PURSER_GRAPHIQL: 'yes' },
    ),
  )
  expect(failure.failureCode).toBe('usage')
  const faults = failure.details['faults'] as { setting: string }[]
  expect(faults.map(({ setting }) => setting)).toEqual([
    '--port', 'PURSER_HOST', '--currency', '--currency', 'PURSER_GRAPHIQL',
  ]) // prettier-ignore
})

test.each(['-1', '1e3', '4000.5', '', ' 80', '99999'])('%j is no port', (port) => {
  expect(failureOf(() => readConfig({ port }, {})).message).toContain('--port')
})

test('every setting has a flag and a variable of its own', () => {
  const settings = Object.values(SETTINGS)
  expect(new Set(settings.map(({ flag }) => flag)).size).toBe(settings.length)
  expect(new Set(settings.map(({ variable }) => variable)).size).toBe(settings.length)
})

function failureOf(work: () => unknown): CommandFailure {
  try {
    work()
  } catch (error) {
    if (error instanceof CommandFailure) return error
    throw error
  }
  throw new Error('It did not fail.')
}
