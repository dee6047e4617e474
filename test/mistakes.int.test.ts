/**
 * Ordinary mistakes at the command line, each with the sentence that it brings, to be read aloud: what happened, then what
 * to do, and a code. None is a fault of ours (`internal`), and none takes longer than five seconds to be told.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { runCommand } from '../cli/main.ts'
import { createOutput } from '../cli/output/output.ts'
import { onlyJson, purser, spawnPurser } from './support/purser.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-mistakes-'))
const inFolder = (name: string): string => path.join(folder, name)
/** Of the table's own five seconds nothing is left out: a slower answer ends the test. */
const TOLD_MS_MAX = 5_000

const silent = createServer()
const foreign: Server = createHttpServer((_request, response) => void response.writeHead(404).end('<html>'))
const stranger: Server = createHttpServer((_request, response) => void response.end('{"status":"ok"}'))
const listening = async (server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown }): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
} // prettier-ignore
let ports: {
  readonly silent: number
  readonly foreign: number
  readonly stranger: number
  readonly closed: number
}

beforeAll(async () => {
  // The test runner reads every source of every command once: that is not what is timed.
  await run(['--help'])
  process.exitCode = undefined
  writeFileSync(inFolder('file'), 'kept')
  writeFileSync(inFolder('rows.ndjson'), '')
  mkdirSync(inFolder('empty'))
  symlinkSync(inFolder('nothing'), inFolder('dangling'))
  symlinkSync(inFolder('loop'), inFolder('loop'))
  const closing = createServer()
  const closed = await listening(closing)
  await new Promise((resolve) => closing.close(resolve))
  ports = {
    silent: await listening(silent),
    foreign: await listening(foreign),
    stranger: await listening(stranger),
    closed,
  }
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  for (const server of [foreign, stranger]) server.closeAllConnections()
  for (const server of [silent, foreign, stranger]) server.close()
})
afterEach(() => {
  process.exitCode = undefined
})

interface Told {
  readonly exitCode: unknown
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command in this process. */
async function run(args: readonly string[]): Promise<Told> {
  const told = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof told): { write(text: string): void } => ({
    write: (text) => void (told[name] += text),
  })
  const streams = { stdout: stream('stdout'), stderr: stream('stderr') }
  await runCommand(args, createOutput(args.includes('--json'), streams))
  return { exitCode: process.exitCode ?? 0, ...told }
}

type Mistake = readonly [args: string, code: string, message: string]

/** In arguments and sentences `@x` is a name in the test's folder, `#x` one of its ports. */
const MISTAKES: readonly Mistake[] = [
  ['', 'usage', 'Name a command. See: purser --help.'],
  ['strat', 'usage', "Unknown command 'strat' (Did you mean start?). See: purser --help."],
  ['help nope', 'usage', "There is no command 'nope'. See: purser --help."],
  ['start more', 'usage', "Too many arguments for 'start'. Expected 0 arguments but got 1. See: purser --help."],
  ['start --prot 1', 'usage', "Unknown option '--prot' (Did you mean --port?). See: purser --help."],
  ['start --port', 'usage', "Option '--port <N>' argument missing. See: purser --help."],
  ['start --port 99999', 'usage', 'The configuration is wrong:\n  --port: expected a whole number from 0 to 65535\nCorrect it and start again.'],
  ['start --port 4e3', 'usage', 'The configuration is wrong:\n  --port: expected a whole number from 0 to 65535\nCorrect it and start again.'],
  ['start --partitions 0', 'usage', 'The configuration is wrong:\n  --partitions: expected a whole number from 1 to 1024\nCorrect it and start again.'],
  ['start --partitions some', 'usage', 'The configuration is wrong:\n  --partitions: expected a whole number from 1 to 1024\nCorrect it and start again.'],
  ['start --graphiql yes', 'usage', 'The configuration is wrong:\n  --graphiql: expected true or false\nCorrect it and start again.'],
  ['start --engine-memory 1', 'usage', 'The configuration is wrong:\n  --engine-memory: expected 256 or more\nCorrect it and start again.'],
  ['start --currency EUR:3', 'usage', 'The configuration is wrong:\n  --currency: EUR has 2 decimal places by ISO 4217; choose another code for another scale\nCorrect it and start again.'],
  ['start --host a/b', 'usage', 'The configuration is wrong:\n  --host: expected a host name or an IP address\nCorrect it and start again.'],
  ['start --data @d --port #silent', 'port_in_use', 'Port #silent is in use by another program. Stop it, or choose another port.'],
  ['start --data @d --port 0 --host 203.0.113.1', 'usage', 'This machine has no such address. Check --host.'],
  ['start --data @d --port 0 --host nope.invalid', 'usage', 'There is no host called nope.invalid. Check the name in --host or --url.'],
  ['start --data @file --port 0', 'folder_unusable', '@file is not a folder. Check the path.'],
  ['start --data @file/below --port 0', 'folder_unusable', '@file/below is not a folder. Check the path.'],
  ['start --data @dangling --port 0', 'folder_unusable', '@dangling is not a folder. Check the path.'],
  ['start --data @loop/below --port 0', 'folder_unusable', '@loop/below is a link that leads back to itself. Check the path.'],
  [`start --data @${'x'.repeat(300)} --port 0`, 'folder_unusable', 'The path is longer than the system allows. Choose a shorter one.'],
  ['start --data @d --port 0 --partitions 33', 'usage', '--partitions: at most 32 in one process, got 33. Take fewer, or distribute them over several.'],
  ['demo --url garbage', 'usage', '--url: expected an address such as http://127.0.0.1:4000, got "garbage".'],
  ['demo --url ftp://127.0.0.1', 'usage', '--url: expected an address such as http://127.0.0.1:4000, got "ftp://127.0.0.1".'],
  ['demo --url http://127.0.0.1:#closed', 'platform_unavailable', 'No platform answers at http://127.0.0.1:#closed: connect ECONNREFUSED 127.0.0.1:#closed. Check --url, and that the platform runs.'],
  ['demo --url http://127.0.0.1:6667', 'platform_unavailable', 'No platform is reached at http://127.0.0.1:6667: this port is kept for another service. Check --url, and that the platform runs.'],
  ['status --url http://127.0.0.1:#silent', 'platform_unavailable', 'http://127.0.0.1:#silent takes connections and does not answer within 3 s. Check --url, and that the platform runs.'],
  ['status --url http://127.0.0.1:#foreign', 'platform_unavailable', 'What answers at http://127.0.0.1:#foreign is no platform. Check --url, and that the platform runs.'],
  ['projections --url http://127.0.0.1:#stranger', 'platform_unavailable', 'What answers at http://127.0.0.1:#stranger is no platform of this kind. Check --url.'],
  ['projections --url http://nope.invalid', 'platform_unavailable', 'No platform answers at http://nope.invalid: getaddrinfo ENOTFOUND nope.invalid. Check --url, and that the platform runs.'],
  ['import @rows.ndjson --url http://127.0.0.1:#closed', 'platform_unavailable', 'No platform answers at http://127.0.0.1:#closed: connect ECONNREFUSED 127.0.0.1:#closed. Check --url, and that the platform runs.'],
  ['status --data @empty', 'not_running', 'No platform runs on this data folder. Start one, or name it with --url.'],
  ['import', 'usage', "Missing required argument 'FILE'. See: purser --help."],
  ['import @nothing', 'file_unreadable', '@nothing cannot be imported: there is no such file. Check the path and the file.'],
  ['import @rows.ndjson --format xml', 'usage', "Option '--format <FORMAT>' argument 'xml' is invalid. Allowed choices are ndjson, csv. See: purser --help."],
  ['import @rows.ndjson --on-error what', 'usage', "Option '--on-error <WHAT>' argument 'what' is invalid. Allowed choices are stop, skip. See: purser --help."],
  ['audit --data @empty', 'file_unreadable', 'There is no log in @empty. Check --data.'],
  ['audit --data @file', 'folder_unusable', '@file/log is not a folder. Check the path.'],
  ['audit --data @empty --brokers 127.0.0.1:#closed', 'usage', '--data names a folder, the others a deployment on Kafka: audit one of them.'],
  ['audit --brokers here', 'usage', 'The configuration is wrong:\n  --brokers: expected HOST:PORT such as kafka-1:9092, got "here"\nCorrect it and start again.'],
  ['archive', 'usage', "Required option '--to <DIR>' not specified. See: purser --help."],
  ['archive --to= --data @empty', 'usage', '--to: expected a path.'],
  ['archive --to @a --data @empty', 'file_unreadable', 'There is no log in @empty. Check --data.'],
  ['topics', 'usage', 'The configuration is wrong:\n  PURSER_KAFKA_BROKERS: is required: the brokers of Kafka, such as kafka-1:9092,kafka-2:9092\nCorrect it and start again.'],
  ['topics --brokers 127.0.0.1:#closed', 'kafka_unreachable', 'No broker answers at 127.0.0.1:#closed: connect ECONNREFUSED 127.0.0.1:#closed. Check the addresses, whether the brokers run, that they can be reached from here, and whether they want TLS.'],
  ['id', 'usage', 'Name a command. See: purser --help.'],
  ['id account', 'usage', "Missing required argument 'NAME'. See: purser --help."],
  ['id account 00000000-0000-0000-0000-000000000000', 'usage', 'NAME: expected text of 1 to 128 bytes, with no character lost, and not the nil UUID.'],
  ['id reference M\uFFFDller', 'usage', 'NAME: expected text of 1 to 128 bytes, with no character lost, and not the nil UUID.'],
  ['id other x', 'usage', "Unknown command 'other'. See: purser --help."],
] // prettier-ignore

function filled(text: string): string {
  return text
    .replace(/@([a-z.]+)/g, (_whole, name: string) => inFolder(name))
    .replace(/#([a-z]+)/g, (_whole, name: keyof typeof ports) => String(ports[name]))
}

describe('an ordinary mistake is told in a sentence, with what to do and a code', () => {
  test.each(MISTAKES)('purser %s', { timeout: TOLD_MS_MAX }, async (args, code, message) => {
    const words = filled(args).split(' ').filter((word) => word !== '') // prettier-ignore
    const { exitCode, stdout } = await run([...words, '--json'])
    expect(onlyJson(stdout)).toMatchObject({ ok: false, error: { code, message: filled(message) } })
    expect(exitCode).toBe(code === 'usage' ? 2 : 1)
  })

  test('people read the same sentence on standard error, with the code behind it', async () => {
    const { exitCode, stdout, stderr } = await run(['archive'])
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: "Required option '--to <DIR>' not specified. See: purser --help. [usage]\n",
    })
  })

  test('no sentence of the table is a fault of ours or shows the inside of the program', () => {
    for (const [, code, message] of MISTAKES) {
      expect(code).not.toBe('internal')
      expect(message).not.toMatch(/\n\s+at |should not have happened|undefined|\[object/)
      // What happened, then what to do.
      expect(message).toMatch(/^[A-Z@#h-].+[.?:\n].+\.$/s)
    }
  })
})

describe('as a process', () => {
  test('a data folder that the system cannot make ends the start at once', async () => {
    const { exitCode, stdout } = await spawnPurser(['start', '--data', '/proc/x', '--port', '0', '--json'], {
      runMsMax: 20_000,
    }).finished
    expect(exitCode).toBe(1)
    expect(onlyJson(stdout)).toMatchObject({
      ok: false,
      error: { code: expect.stringMatching(/^f/) as string },
    })
  })

  test('a folder given as a file to import brings exactly one object', async () => {
    const { exitCode, stdout } = await purser('import', folder, '--data', inFolder('d'), '--json')
    expect(exitCode).toBe(1)
    expect(onlyJson(stdout)).toMatchObject({ ok: false, error: { code: 'file_unreadable' } })
  })
})

describe('what is no mistake', () => {
  test.each([['help'], ['--help'], ['help start'], ['start --help']])(
    'purser %s --json is one object with the help in it',
    async (args) => {
      const { exitCode, stdout, stderr } = await run([...args.split(' '), '--json'])
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
      expect(onlyJson(stdout)).toMatchObject({
        ok: true,
        help: expect.stringContaining('Usage: purser') as string,
      })
    },
  )

  test('the version is the package’s', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(onlyJson((await run(['--version', '--json'])).stdout)).toMatchObject({
      ok: true,
      node: process.version,
    })
  })

  test.each([['id new'], ['id account x'], ['id reference x']])('purser %s --json says ok', async (args) => {
    expect(onlyJson((await run([...args.split(' '), '--json'])).stdout)).toMatchObject({ ok: true })
  })
})
