/** Three partitions in one process: every door, kill -9, audits and the archive, what crosses, and what may not. */
import { readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { accountIdOf } from '../cli/external-ids.ts'
import { connect, subscribe } from '../cli/demo/subscriber.ts'
import { graphql } from '../cli/graphql-client.ts'
import { connectBulk, type BulkClient } from '../client/client.ts'
import { decodePosition, encodePosition } from '../gateway/positions/tokens.ts'
import { decodeEvents } from '../schemas/events.ts'
import { nodeDisk } from '../eventlog/disk/disk.ts'
import { readFramesSync } from '../eventlog/file/read/reader.ts'
import { encodeCommands } from '../schemas/command-codec.ts'
import type { Command } from '../schemas/commands.ts'
import { transitAccountId } from '../schemas/crossing.ts'
import { formatId, parseId, type Id } from '../schemas/ids.ts'
import { partitionOf } from '../schemas/partitions.ts'
import { includesPosition } from '../schemas/positions.ts'
import { newId } from './support/load.ts'
import { sendCommands, type LaneCommand } from './support/json-lane.ts'
import { onlyJson, purser, startServer, withFolder } from './support/purser.ts'

const PARTITIONS = 3
/** Lives that end by kill -9 under load. */
const ROUNDS = 3

/** Accounts of one partition: where its money comes from, and two that have some. */
interface Town {
  readonly partition: number
  readonly cash: string
  readonly anna: string
  readonly emil: string
}

const towns: readonly Town[] = Array.from({ length: PARTITIONS }, (_, partition) => {
  const own = Array.from({ length: 1_000 }, (_, index) => accountId(index)).filter(
    (id) => partitionOf(parseId(id)!, PARTITIONS) === partition,
  )
  return { partition, cash: own[0]!, anna: own[1]!, emil: own[2]! }
})
const [here, there] = towns as [Town, Town, Town]

function accountId(index: number): string {
  return `00000000-0000-8000-8000-${String(index).padStart(12, '0')}`
}

const RESULT = `__typename ... on TransferApplied { position transfer { state } } ... on Refused { code position }`
const TRANSFER = `mutation($input: TransferInput!) { result: transfer(input: $input) { ${RESULT} } }`
const HOLD = `mutation($input: PlaceHoldInput!) { result: placeHold(input: $input) { ${RESULT} } }`
const POST = `mutation($input: PostHoldInput!) { result: postHold(input: $input) { ${RESULT} } }`
const VOID = `mutation($input: VoidHoldInput!) { result: voidHold(input: $input) { ${RESULT} } }`
const REVERSE = `mutation($input: ReverseTransferInput!) { result: reverseTransfer(input: $input) { ${RESULT} } }`
const LINKED = `mutation($input: LinkedTransfersInput!) { linkedTransfers(input: $input) { __typename } }`
const ACTIVITY = `subscription($id: UUID!, $after: Position) { accountActivity(accountId: $id, after: $after) { kind balance { balance { minor } } } }`
const BALANCE = `query($id: UUID!, $after: Position) { balance(accountId: $id, after: $after) { balance { minor } held { minor } } }`
const PROJECTIONS = `{ projections { name position head lagEvents } }`
const TRIAL = `query($after: Position) { trialBalance(after: $after) { currency accounts sum { minor } } }`

interface Result {
  readonly result: { readonly __typename: string; readonly position: string; readonly code?: string }
}

function input(from: string, to: string, amount: string): Record<string, string> {
  return { id: newId(), debitAccountId: from, creditAccountId: to, amount, currency: 'EUR' }
}

async function run(url: string, mutation: string, given: object): Promise<Result['result']> {
  return (await graphql<Result>(url, mutation, { input: given })).result
}

async function balanceOf(url: string, id: string, after?: string): Promise<string> {
  type Answer = { balance: { balance: { minor: string } } }
  return (await graphql<Answer>(url, BALANCE, { id, after })).balance.balance.minor
}

/** Balances may come from memory; a trial balance is always read from the views. */
async function viewsReach(url: string, position: string): Promise<void> {
  await graphql(url, TRIAL, { after: position })
}

/** Opens every town's accounts, through the JSON lane in one request; harmless if they are open. */
async function openTowns(url: string): Promise<void> {
  const commands = towns.flatMap(({ cash, anna, emil }): LaneCommand[] => [
    { kind: 'openAccount', id: newId(), accountId: cash, currency: 'EUR', system: true },
    { kind: 'openAccount', id: newId(), accountId: anna, currency: 'EUR' },
    { kind: 'openAccount', id: newId(), accountId: emil, currency: 'EUR' },
  ])
  await sendCommands(url, commands, () => undefined)
}

async function headOf(url: string): Promise<string> {
  const { projections } = await graphql<{ projections: { head: string }[] }>(url, PROJECTIONS)
  return projections[0]!.head
}

function eventsOf(dataDir: string) {
  return towns.map(({ partition }) =>
    [...readFramesSync(nodeDisk, dataDir, partition, 0n)].flatMap(({ payload }) => decodeEvents(payload)),
  )
}

const toTransfer = (from: string, to: string, amount: bigint): Command => ({
  kind: 'Transfer', id: id(newId()), debit: id(from), credit: id(to), amount, currency: 'EUR',
}) // prettier-ignore
const id = (text: string): Id => parseId(text)!

/** Commands of all towns in turn, as one request that names no partition. */
async function deposit(client: BulkClient, rounds: number): Promise<void> {
  const commands = Array.from({ length: rounds }, () =>
    towns.flatMap(({ cash, anna, emil }) => [toTransfer(cash, anna, 5n), toTransfer(cash, emil, 3n)]),
  ).flat()
  const results = await client.submitSlots(encodeCommands(commands), commands.length)
  for (let index = 0; index < results.count; index++) {
    expect(results.at(index)).toMatchObject({ status: 'accepted' })
    expect(results.partition(index)).toBe(towns[Math.floor(index / 2) % PARTITIONS]!.partition)
  }
}

test('every door works over three partitions, transfers cross from one to another, and what cannot is refused by name', () =>
  withFolder(async (folder) => {
    const server = await startServer(folder, '--partitions', String(PARTITIONS))
    const { url } = server
    await openTowns(url)
    const client = await connectBulk({ url })
    expect(client.partitions).toBe(PARTITIONS)
    await deposit(client, 4)
    // One request for a partition that it names.
    const named = [toTransfer(there.cash, there.anna, 1n), toTransfer(there.anna, there.emil, 1n)]
    const alone = await client.submitSlots(encodeCommands(named), 2, there.partition)
    expect(alone.at(1)).toMatchObject({ status: 'accepted' })

    for (const town of towns) {
      const lunch = await run(url, TRANSFER, input(town.anna, town.emil, '2'))
      expect(lunch.__typename).toBe('TransferApplied')
      expect([...decodePosition(lunch.position)!.keys()]).toEqual([town.partition])
      expect(await balanceOf(url, town.anna, lunch.position)).toBe('18')
      const holdInput = input(town.anna, town.emil, '10')
      const held = await run(url, HOLD, holdInput)
      await viewsReach(url, held.position)
      const posted = await run(url, POST, { id: newId(), holdId: holdInput['id'], amount: '4' })
      expect([...decodePosition(posted.position)!.keys()]).toEqual([town.partition])
      const other = input(town.anna, town.emil, '9')
      await viewsReach(url, (await run(url, HOLD, other)).position)
      expect((await run(url, VOID, { id: newId(), holdId: other['id'] })).__typename).toBe('TransferApplied')
      const wrong = input(town.anna, town.emil, '1')
      await run(url, TRANSFER, wrong)
      const undone = await run(url, REVERSE, { id: newId(), transferId: wrong['id'] })
      expect(undone.__typename).toBe('TransferApplied')
      expect(await balanceOf(url, town.anna, undone.position)).toBe('14')
    }

    // A subscription resumes after a position of its own partition, whatever the vector says of others.
    const before = await headOf(url)
    expect(decodePosition(before)!.size).toBe(PARTITIONS)
    await run(url, TRANSFER, input(there.anna, there.emil, '1'))
    const apps = connect(url)
    const activity = subscribe<{ kind: string }>(apps, ACTIVITY, { id: there.anna, after: before }, 'accountActivity')
    await activity.arrived(1)
    await run(url, TRANSFER, input(here.anna, here.emil, '1'))
    await run(url, TRANSFER, input(there.anna, there.emil, '1'))
    expect((await activity.arrived(2)).map(({ kind }) => kind)).toEqual(['TransferPosted', 'TransferPosted'])
    const misplaced = subscribe(apps, ACTIVITY, { id: here.anna, after: (await run(url, TRANSFER, input(there.anna, there.emil, '1'))).position }, 'accountActivity') // prettier-ignore
    await expect(misplaced.arrived(1)).rejects.toThrow('other partitions')
    await apps.dispose()

    const crossing = await expectTransfersCross(url, client)
    await expectNothingElseCrosses(url, client, folder, crossing)
    await client.close()

    const head = await headOf(url)
    type Trial = { trialBalance: { currency: string; accounts: string; sum: { minor: string } }[] }
    const { trialBalance } = await graphql<Trial>(url, TRIAL, { after: head })
    expect(trialBalance).toMatchObject([{ currency: 'EUR', sum: { minor: '0' } }])
    const { projections } = await graphql<{ projections: { position: string }[] }>(url, PROJECTIONS)
    for (const { position } of projections)
      expect(includesPosition(decodePosition(position)!, decodePosition(head)!)).toBe(true)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    const shown = onlyJson((await purser('projections', '--data', folder, '--json')).stdout)
    expect(shown).toMatchObject({ ok: true })
    expect((await server.stop()).exitCode).toBe(0)
  }), 120_000) // prettier-ignore

const CROSSED = `query($id: UUID!, $after: Position) { transfer(id: $id, after: $after) {
  state phase debitAccountId creditAccountId refusal { code } debitBalance { balance { minor } held { minor } } creditBalance { accountId balance { minor } }
  timeline { events { kind partition phase } } } }`

interface Crossed {
  readonly transfer: {
    readonly state: string
    readonly phase: string
    readonly timeline: { readonly events: readonly { readonly kind: string; readonly partition: number }[] }
  }
}

/** A transfer from one partition to another is like any other at every door. Returns the id of one that was done. */
async function expectTransfersCross(url: string, client: BulkClient): Promise<string> {
  const before = { here: BigInt(await balanceOf(url, here.anna)), there: BigInt(await balanceOf(url, there.anna)) }
  let moved = 0n
  const expectMoved = async (position: string): Promise<void> => {
    moved += 1n
    expect([...decodePosition(position)!.keys()]).toEqual([here.partition, there.partition].sort())
    expect(BigInt(await balanceOf(url, here.anna, position))).toBe(before.here - moved)
    expect(BigInt(await balanceOf(url, there.anna, position))).toBe(before.there + moved)
  }
  for (const [coordination, phases] of [
    ['TCC', ['TransferReserved', 'CreditReserved', 'TransferConfirmed', 'TransferCredited', 'TransferCompleted']],
    ['SAGA', ['TransferDebited', 'TransferCredited', 'TransferCompleted']],
  ] as const) {
    const given: Record<string, string> = { ...input(here.anna, there.anna, '1'), coordination }
    const done = await run(url, TRANSFER, given)
    expect(done).toMatchObject({ __typename: 'TransferApplied' })

    await expectMoved(done.position)
    const { transfer } = await graphql<Crossed>(url, CROSSED, { id: given['id'], after: done.position })
    expect(transfer).toMatchObject({
      state: 'POSTED',
      phase: 'COMPLETED',
      debitAccountId: here.anna,
      creditAccountId: there.anna,
      refusal: null,
      debitBalance: { balance: { minor: String(before.here - moved) }, held: { minor: '0' } },
      creditBalance: { accountId: there.anna, balance: { minor: String(before.there + moved) } },
    })
    expect(transfer.timeline.events.map(({ kind }) => kind)).toEqual(phases)
    for (const { kind, partition } of transfer.timeline.events)
      expect(partition).toBe(kind.includes('Credit') ? there.partition : here.partition)
    // The same again has the same outcome.
    expect(await run(url, TRANSFER, given)).toEqual(done)
    expect(await run(url, TRANSFER, { ...given, amount: '2' })).toMatchObject({ code: 'id_reused' })
  }
  const inJson = input(here.anna, there.anna, '1')
  await sendCommands(url, [{ kind: 'transfer', ...inJson }], () => undefined)
  moved += 1n
  for (const partition of [undefined, here.partition]) {
    const results = await client.submitSlots(encodeCommands([toTransfer(here.anna, there.anna, 1n)]), 1, partition)
    const result = results.at(0)
    if (result?.status !== 'accepted') throw new Error(JSON.stringify(result))
    const { other } = result
    expect([result.partition, other?.partition]).toEqual([here.partition, there.partition])
    await expectMoved(encodePosition(new Map([[result.partition, result.sequence], [other!.partition, other!.sequence]])))
  }
  // A refusal of the other side, by either way, at every door.
  const nobody = Array.from({ length: 2_000 }, (_, index) => accountId(index)).findLast(
    (text) => partitionOf(id(text), PARTITIONS) === there.partition,
  )!
  for (const coordination of ['TCC', 'SAGA'] as const) {
    const given: Record<string, string> = { ...input(here.anna, nobody, '1'), coordination }
    const refused = await run(url, TRANSFER, given)
    expect(refused).toMatchObject({ __typename: 'Refused', code: 'credit_account_not_found' })
    expect([...decodePosition(refused.position)!.keys()]).toEqual([here.partition, there.partition].sort())
    const { transfer } = await graphql<Crossed>(url, CROSSED, { id: given['id'], after: refused.position })
    expect(transfer).toMatchObject({
      state: 'REFUSED',
      phase: coordination === 'TCC' ? 'CANCELLED' : 'COMPENSATED',
      refusal: { code: 'credit_account_not_found' },
      debitBalance: { balance: { minor: String(before.here - moved) }, held: { minor: '0' } },
      creditBalance: null,
    })
    const command = { ...toTransfer(here.anna, nobody, 1n), coordination: coordination === 'TCC' ? 'tcc' : 'saga' } as const
    const again = [await client.submit(command), await client.submit(command)]
    expect(again).toMatchObject([
      { status: 'refused', code: 'credit_account_not_found', replayed: false },
      { status: 'refused', code: 'credit_account_not_found', replayed: true },
    ])
  }
  expect(BigInt(await balanceOf(url, here.anna, await headOf(url)))).toBe(before.here - moved)
  return inJson['id']!
} // prettier-ignore

/** Every other way to name accounts of two partitions at once is refused by name, and leaves no event. */
async function expectNothingElseCrosses(
  url: string,
  client: BulkClient,
  folder: string,
  crossed: string,
): Promise<void> {
  const events = (): number => eventsOf(folder).flat().length
  const before = events()
  const crossing = input(here.anna, there.anna, '1')
  const within = input(here.anna, here.emil, '1')
  const elsewhere = input(there.anna, there.emil, '1')
  for (const [mutation, given] of [
    [LINKED, { transfers: [within, elsewhere] }],
    [LINKED, { transfers: [within, crossing] }],
    [REVERSE, { id: newId(), transferId: crossed }],
  ] as const) {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: mutation, variables: { input: given } }),
    })
    const { errors } = (await response.json()) as { errors: { extensions: { code: string } }[] }
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['CROSS_PARTITION'])
  }
  const response = await fetch(`${url}/commands`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      commands: [
        { kind: 'transfer', ...within, linked: true },
        { kind: 'transfer', ...elsewhere },
        { kind: 'transfer', ...within, linked: true },
        { kind: 'transfer', ...crossing },
        { kind: 'reverseTransfer', id: newId(), transferId: crossed },
      ],
    }),
  })
  const { results } = (await response.json()) as { results: { status: string; code: string }[] }
  expect(results.map(({ status, code }) => [status, code])).toEqual(
    Array.from({ length: 5 }, () => ['error', 'CROSS_PARTITION']),
  )
  const toElsewhere = toTransfer(here.anna, there.anna, 1n)
  const fault = { status: 'fault', code: 'cross_partition' }
  for (const partition of [undefined, here.partition]) {
    const group = [toTransfer(here.anna, here.emil, 1n), toElsewhere, toTransfer(here.anna, here.emil, 1n)]
    const linked = group.map((command, index) => ({ ...command, linked: index < 2 }))
    const together = await client.submitSlots(encodeCommands(linked), 3, partition)
    expect([0, 1, 2].map((index) => together.at(index))).toMatchObject([fault, fault, fault])
  }
  await expect(client.submitSlots(encodeCommands([toElsewhere]), 1, there.partition)).rejects.toMatchObject({ code: 'wrong_partition' }) // prettier-ignore
  const group = [toTransfer(here.anna, here.emil, 1n), toTransfer(there.anna, there.emil, 1n)]
  const [one, other] = await client.submitLinked(group)
  expect([one, other]).toMatchObject([fault, fault])
  const inTransit = formatId(transitAccountId('EUR', here.partition, PARTITIONS))
  await expect(run(url, TRANSFER, input(here.anna, inTransit, '1'))).rejects.toThrow('money in transit')
  expect(events()).toBe(before)
}

test('what was acknowledged in any partition survives kill -9, and the audits hold over all of them', () =>
  withFolder(async (folder) => {
    const acknowledged = new Map<string, bigint>()
    const open = new Map<string, { readonly command: Command; readonly town: Town }>()
    const settle = (key: string, town: Town): void => {
      open.delete(key)
      acknowledged.set(town.anna, (acknowledged.get(town.anna) ?? 0n) + 1n)
    }
    const send = async (client: BulkClient, town: Town, command: Command): Promise<void> => {
      const key = formatId(command.id)
      open.set(key, { command, town })
      const { status } = await client.submit(command)
      if (status === 'accepted') settle(key, town)
    }
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startServer(folder, ...(round === 0 ? ['--partitions', String(PARTITIONS)] : []))
      await openTowns(server.url)
      const client = await connectBulk({ url: server.url, patienceMs: 500 })
      for (const { command, town } of [...open.values()]) await send(client, town, command)
      expect(open.size).toBe(0)
      const isOver = new AbortController()
      const loads = towns.map(async (town) => {
        while (!isOver.signal.aborted)
          await Promise.all(Array.from({ length: 20 }, () => send(client, town, toTransfer(town.cash, town.anna, 1n))))
      })
      await new Promise((resolve) => setTimeout(resolve, 400 + Math.random() * 300))
      const over = Promise.allSettled(loads)
      await server.kill()
      isOver.abort()
      await over
    }
    const last = await startServer(folder)
    const client = await connectBulk({ url: last.url })
    for (const { command, town } of [...open.values()]) await send(client, town, command)
    const head = await headOf(last.url)
    for (const { anna } of towns) {
      expect(acknowledged.get(anna)).toBeGreaterThan(0n)
      expect(await balanceOf(last.url, anna, head)).toBe(String(acknowledged.get(anna)))
    }
    await client.close()
    const beside = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(beside).toMatchObject({ ok: true, running: true, accounts: PARTITIONS * 3, trialBalance: { EUR: '0' } })
    await last.stop()
    const atRest = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(atRest).toMatchObject({ ok: true, running: false, trialBalance: { EUR: '0' } })
    const events = eventsOf(folder)
    expect(atRest['position']).toBe(events.map(({ length }, partition) => `${partition}:${length}`).join(','))
    expect(atRest['events']).toBe(String(events.flat().length))
    for (const one of events) one.forEach(({ sequence }, index) => expect(sequence).toBe(BigInt(index + 1)))
    const archived = await purser('archive', '--data', folder, '--to', path.join(folder, 'archive'), '--dry-run', '--json')
    expect(onlyJson(archived.stdout)).toMatchObject({ ok: true, segments: [], views: atRest['position'] })
  }), 180_000) // prettier-ignore

test('an import goes to every partition and across them, and again changes nothing', () =>
  withFolder(async (folder) => {
    const nameIn = (partition: number, which: string): string =>
      Array.from({ length: 200 }, (_, index) => `${which}${index}`).find((name) => partitionOf(id(accountIdOf(name)), PARTITIONS) === partition)!
    const rows = towns.flatMap(({ partition }) => {
      const [debit, credit] = [nameIn(partition, 'cash'), nameIn(partition, 'anna')]
      return [
        { type: 'account', id: debit, currency: 'EUR', system: true },
        { type: 'account', id: credit, currency: 'EUR' },
        ...Array.from({ length: 50 }, (_, index) => ({ type: 'transfer', id: `${partition}-${index}`, debit, credit, amount: '1', currency: 'EUR' })),
      ]
    })
    const to = [nameIn(1, 'anna'), nameIn(2, 'anna'), 'nobody1']
    const across = to.map((credit, index) => ({ type: 'transfer', id: `x${index}`, debit: nameIn(0, 'cash'), credit, amount: '1', currency: 'EUR' }))
    const file = path.join(folder, 'rows.ndjson')
    writeFileSync(file, [...rows, ...across].map((row) => `${JSON.stringify(row)}\n`).join(''))
    const load = async () => {
      const { stdout } = await purser('import', file, '--data', path.join(folder, 'data'), '--partitions', String(PARTITIONS), '--engine-memory', '512', '--on-error', 'skip', '--json')
      return onlyJson(stdout)
    }
    const moved = rows.length + 2
    const refused = { bad: 0, refused: { credit_account_not_found: 1 } }
    const first = await load()
    expect(first).toMatchObject({ ok: true, accepted: moved, replayed: 0, ...refused })
    expect([...decodePosition(first['position'] as string)!.keys()].sort()).toEqual([0, 1, 2])
    expect(await load()).toMatchObject({ ok: true, accepted: 0, replayed: moved, ...refused })
    const audited = onlyJson((await purser('audit', '--data', path.join(folder, 'data'), '--json')).stdout)
    expect(audited).toMatchObject({ ok: true, trialBalance: { EUR: '0' } })
  }), 120_000) // prettier-ignore

test('the number of partitions is fixed when a folder is created', () =>
  withFolder(async (folder) => {
    const start = async (...args: string[]) => {
      const { stdout, exitCode } = await purser('start', '--data', folder, '--port', '0', '--json', ...args)
      return { exitCode, ...(onlyJson(stdout) as { error?: { code: string; message: string } }) }
    }
    await (await startServer(folder, '--partitions', '2')).stop()
    const other = await start('--partitions', '3')
    expect(other).toMatchObject({ exitCode: 1, error: { code: 'partitions_differ' } })
    expect(other.error!.message).toContain('2 partitions')
    for (const args of [['--partitions', '2'], []]) {
      const again = await startServer(folder, ...args)
      expect(onlyJson(again.stdout())).toMatchObject({ partitions: 2 })
      await again.stop()
    }
    const file = path.join(folder, 'log', 'partitions')
    const text = readFileSync(file, 'utf8')
    for (const damaged of [text.replace('2', '3'), text.slice(0, -9), ''])  {
      writeFileSync(file, damaged)
      expect(await start()).toMatchObject({ exitCode: 1, error: { code: 'folder_unusable' } })
    }
    // Two logs, and nothing says that they are two: no guess.
    await rm(file)
    expect(await start()).toMatchObject({ exitCode: 1, error: { code: 'folder_unusable' } })
    // One log: a folder from before the number was written down.
    await rm(path.join(folder, 'log', '1'), { recursive: true })
    await rm(path.join(folder, 'views'), { recursive: true })
    expect(await start('--partitions', '2')).toMatchObject({ error: { code: 'partitions_differ' } })
    const old = await startServer(folder)
    expect(onlyJson(old.stdout())).toMatchObject({ partitions: 1 })
    await old.stop()
    expect(await start('--partitions', '0')).toMatchObject({ exitCode: 2, error: { code: 'usage' } })
  }), 120_000) // prettier-ignore
