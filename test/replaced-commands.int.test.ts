/** The commands topic is deleted and made anew under a writer and a gateway that run: nobody is told anything that is not so. */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGatewayRole, type GatewayRole } from '../platform/roles/gateway-role.ts'
import { startProjectorRole, type ProjectorRole } from '../platform/roles/projector-role.ts'
import { startWriterRole, type WriterRole } from '../platform/roles/writer-role.ts'
import { topicNames, type KafkaSettings } from '../eventlog/kafka/settings.ts'
import { asAdmin, replaceTopic } from './support/kafka/topics.ts'
import { startEngine, type Engine } from '../projectors/engine/supervisor.ts'
import { ISO_CURRENCIES } from '../schemas/money.ts'
import { withKafka } from './support/kafka.ts'
import { newId } from './support/load.ts'

const quiet = (): void => undefined

interface Told {
  readonly status: string
  readonly code?: string
  readonly retryable?: boolean
}

await withKafka('a commands topic made anew under roles', (kafka) => {
  describe('a commands topic made anew under roles that run', () => {
    let dir: string
    let settings: KafkaSettings
    let engine: Engine
    let writer: WriterRole
    let projector: ProjectorRole
    let gateway: GatewayRole
    const [cash, anna] = [newId(), newId()]

    beforeAll(async () => {
      dir = await mkdtemp(path.join(os.tmpdir(), 'replaced-'))
      settings = await kafka.deployment(1)
      engine = await startEngine({ dataDir: path.join(dir, 'views'), memoryBytesMax: 1024 ** 3 })
      const clickhouse = { url: engine.url, username: engine.username, password: engine.password, database: 'default' } // prettier-ignore
      writer = await startWriterRole({
        kafka: settings,
        snapshots: { kind: 'folder', folder: path.join(dir, 'snapshots') },
        scratchDir: path.join(dir, 'scratch'),
        log: quiet,
        core: { holdsMax: 1_024 },
      })
      projector = await startProjectorRole({ kafka: settings, clickhouse, log: quiet })
      gateway = await startGatewayRole({
        kafka: settings, clickhouse, host: '127.0.0.1', port: 0, currencies: ISO_CURRENCIES, graphiql: false, log: quiet,
        limits: { outcomeWaitMs: 10_000 },
      }) // prettier-ignore
    }, 120_000)
    afterAll(async () => {
      await gateway.stop()
      await projector.stop()
      await writer.stop()
      await engine.stop()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    }, 60_000)

    /** What became of one command. */
    async function send(command: Readonly<Record<string, unknown>>): Promise<Told> {
      const answer = await fetch(`${gateway.url}/commands`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ commands: [command] }),
      })
      const { results, error } = (await answer.json()) as { results?: Told[]; error?: Told }
      return results?.[0] ?? { ...error, status: 'error' }
    }

    /** Sends it until it is told what became of it; keeps all that was told before. */
    async function insist(command: Readonly<Record<string, unknown>>, told: Told[]): Promise<Told> {
      for (;;) {
        const one = await send(command)
        if (one.status !== 'error') return one
        told.push(one)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }

    it('nobody is told a refusal, what is told can be sent again, the gateway says why it is not ready, and money moves once', async () => {
      for (const accountId of [cash, anna])
        await insist(
          { kind: 'openAccount', id: newId(), accountId, currency: 'EUR', system: accountId === cash },
          [],
        )
      const pay = (): Record<string, unknown> => ({
        kind: 'transfer', id: newId(), debitAccountId: cash, creditAccountId: anna, amount: '1', currency: 'EUR',
      }) // prettier-ignore
      for (let paid = 0; paid < 20; paid++) expect(await send(pay())).toMatchObject({ status: 'accepted' })
      const { commands } = topicNames(settings)
      await asAdmin(settings, (admin) => admin.deleteTopics({ topics: [commands] }))
      const told: Told[] = []
      const underway = Array.from({ length: 5 }, () => insist(pay(), told))
      await expect
        .poll(async () => ((await (await fetch(`${gateway.url}/readyz`)).json()) as { reasons: string[] }).reasons.join())
        .toContain(`There is no topic ${commands}`) // prettier-ignore
      expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503)
      await replaceTopic(settings, commands, [])
      const outcomes = await Promise.all(underway)
      expect(outcomes.map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'accepted'))
      for (const { code, retryable } of told)
        expect([retryable, ['OUTCOME_UNKNOWN', 'WRITER_STOPPED', 'BUSY']]).toEqual([
          true,
          expect.arrayContaining([code]),
        ])
      await expect.poll(async () => (await fetch(`${gateway.url}/readyz`)).status).toBe(200)
      for (let paid = 0; paid < 5; paid++) expect(await send(pay())).toMatchObject({ status: 'accepted' })
      // The gateway may read a frame before its writer does.
      await expect.poll(() => writer.supervisor(0)!.status().writer).toMatchObject({ epoch: 2n, sequence: 32n })
    }, 180_000) // prettier-ignore
  })
})
