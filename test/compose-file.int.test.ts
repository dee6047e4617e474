/** docker-compose.yml: valid, and each service such that it can be relied on. It is brought up by `npm run test:compose`. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { settingsOf, SETTINGS, type Setting } from '../platform/configuration/settings.ts'
import { RECORD_BATCH_BYTES_MAX } from '../eventlog/kafka/settings.ts'
import { haveTools } from './support/tools.ts'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const source = readFileSync(path.join(root, 'docker-compose.yml'), 'utf8')
const PINNED = /^\S+:\d+\.\d+\.\d+\S*$/

test('every image is of one exact version', () => {
  const images = [...source.matchAll(/^\s*image: (\S+)$/gm)].map((match) => match[1]!)
  expect(images.length).toBeGreaterThanOrEqual(4)
  for (const image of images) expect(image).toMatch(PINNED)
})

test('the brokers take records as large as the topics do', () => {
  for (const name of ['KAFKA_MESSAGE_MAX_BYTES', 'KAFKA_REPLICA_FETCH_MAX_BYTES'])
    expect(source).toContain(`${name}: '${RECORD_BATCH_BYTES_MAX}'`)
})

test('gateways go by every name by which the network calls them', () => {
  const named = /PURSER_ALLOW_HOSTS: (\S+)/.exec(source)![1]!.split(',')
  const gateways = [...source.matchAll(/^ {2}((?:gateway-\d+|door)):$/gm)].map((match) => match[1]!)
  expect(gateways).toHaveLength(3)
  expect(named).toEqual(expect.arrayContaining(gateways))
})

test('every variable of ours that it sets is one that some role reads', () => {
  const known = (Object.values(SETTINGS) as readonly Setting[]).flatMap(({ variable, secretVariable }) => [variable, secretVariable]) // prettier-ignore
  const own = ['PURSER_VIEWS_ADMIN_PASSWORD']
  const set = new Set([...source.matchAll(/\bPURSER_[A-Z0-9_]+/g)].map((match) => match[0]))
  expect([...set].filter((name) => !known.includes(name) && !own.includes(name))).toEqual([])
})

if (haveTools('what docker-compose makes of docker-compose.yml', 'docker-compose'))
  describe('as docker-compose reads it', () => {
    const ran = spawnSync('docker-compose', ['config'], { cwd: root, encoding: 'utf8' })
    const services = sectionsOf(sectionsOf(ran.stdout, 0).get('services') ?? '', 2)
    const all = [...services]

    test('it is valid, and has what it promises', () => {
      expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' })
      expect([...services.keys()].sort()).toEqual([
        'clickhouse', 'door', 'gateway-1', 'gateway-2', 'kafka-1', 'kafka-2', 'kafka-3',
        'projector-1', 'projector-2', 'topics', 'users', 'writer-1', 'writer-2',
      ]) // prettier-ignore
    })

    test('who ends by design has no health check, and is waited for to have done its work; all others have one', () => {
      for (const [name, text] of all) {
        const health = sectionsOf(text, 4).get('healthcheck') ?? ''
        const oneShot = ['topics', 'users'].includes(name)
        expect(health, name).toMatch(oneShot ? /disable: true|NONE/ : /CMD/)
        if (!oneShot) expect(text, name).toContain('restart: unless-stopped')
      }
      for (const name of ['writer-1', 'writer-2', 'projector-1', 'projector-2', 'gateway-1', 'gateway-2'])
        expect(services.get(name), name).toMatch(/topics:\s+condition: service_completed_successfully/)
    })

    test('what must outlive a container stands in a named volume, one a broker', () => {
      const volumes = (name: string): string => sectionsOf(services.get(name)!, 4).get('volumes') ?? ''
      for (const name of ['kafka-1', 'kafka-2', 'kafka-3'])
        expect(volumes(name)).toContain(`${name}:/var/lib/kafka/data`)
      expect(volumes('clickhouse')).toContain('clickhouse:/var/lib/clickhouse')
      for (const name of ['writer-1', 'writer-2'])
        expect(volumes(name)).toContain('snapshots:/var/lib/purser/snapshots')
      expect([...sectionsOf(sectionsOf(ran.stdout, 0).get('volumes')!, 2).keys()].sort()).toEqual(
        ['clickhouse', 'kafka-1', 'kafka-2', 'kafka-3', 'snapshots', 'writer-1', 'writer-2'],
      ) // prettier-ignore
    })

    test('the roles share one image, and only the door is published, to this machine alone', () => {
      const images = all.filter(([, text]) => text.includes('target: roles')).map(([, text]) => /image: (\S+)/.exec(text)![1]) // prettier-ignore
      expect(images).toHaveLength(8)
      expect(new Set(images).size).toBe(1)
      expect(all.filter(([, text]) => text.includes('ports:')).map(([name]) => name)).toEqual(['door'])
      expect(services.get('door')).toContain('127.0.0.1:4000:4000')
    })

    test('files that are mounted exist', () => {
      const files = [...source.matchAll(/'(\.\/[^:']+):/g)].map((match) => match[1]!)
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) expect(existsSync(path.join(root, file)), file).toBe(true)
    })

    test('every role gets what it requires', () => {
      const required = (role: 'writer' | 'projector' | 'gateway' | 'topics' | 'users'): readonly string[] =>
        settingsOf(role).map((name): Setting => SETTINGS[name]).filter(({ meaning }) => meaning.includes('Required.')).map(({ variable }) => variable) // prettier-ignore
      for (const role of ['writer', 'projector', 'gateway'] as const)
        for (const number of [1, 2])
          for (const variable of required(role)) expect(services.get(`${role}-${number}`)).toContain(variable)
      for (const variable of required('topics')) expect(services.get('topics')).toContain(variable)
      for (const variable of required('users'))
        expect(services.get('users')).toContain(variable.replace('_FILE', ''))
    })
  })

/** The sections of normalised YAML at an indentation, by name. */
function sectionsOf(text: string, indentation: number): ReadonlyMap<string, string> {
  const sections = new Map<string, string>()
  const heading = new RegExp(`^ {${indentation}}([\\w-]+):`)
  let name: string | undefined
  for (const line of text.split('\n')) {
    name = heading.exec(line)?.[1] ?? name
    if (name !== undefined) sections.set(name, `${sections.get(name) ?? ''}${line}\n`)
  }
  return sections
}

if (haveTools('what HAProxy makes of its configuration', 'haproxy'))
  test('the door’s configuration is valid', () => {
    const ran = spawnSync('haproxy', ['-c', '-f', 'deploy/haproxy/haproxy.cfg'], { cwd: root, encoding: 'utf8' })
    expect({ status: ran.status, alerts: ran.stderr.split('\n').filter((line) => line.startsWith('[ALERT]')) }).toEqual({
      status: 0,
      alerts: [],
    })
  }) // prettier-ignore
