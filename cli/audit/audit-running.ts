/**
 * The audit of a platform that runs in another process: the log is replayed from its files, and what the platform answers
 * over GraphQL as of the replay's position is compared with what the replay gives.
 */
import { LogCorruptError } from '../../eventlog/errors.ts'
import { encodePosition } from '../../gateway/positions/tokens.ts'
import { formatId } from '../../schemas/ids.ts'
import { replayLog, type Replay } from '../../writer/recovery/replay-log.ts'
import { graphql } from '../graphql-client.ts'
import { knownPartitionCount } from '../../platform/partition-count.ts'
import { conclude, type Check, type PartitionProof, type Proof, type SkippedEvent } from './proof.ts'

/** Accounts whose balances are compared, spread evenly over all of them. */
const ACCOUNTS_COMPARED_MAX = 10_000
const ACCOUNTS_PER_REQUEST = 25
/** The view that balances are read from. */
const BALANCES = 'balances'
/** A log that is being written may show half a frame at its end: it is read again before that is called corrupt. */
const REPLAYS_MAX = 5
const PAUSE_MS = 200

/** Proves a running platform from outside. */
export async function auditRunning(url: string, dataDir: string): Promise<Proof> {
  const startedAtMs = performance.now()
  const partitions = knownPartitionCount(dataDir)
  const versions = await versionsThere(url)
  const proofs: PartitionProof[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { core, ...replay } = await replayLive(dataDir, partition)
    const { finding, ...check } = await compareBalances(url, { core, ...replay })
    proofs.push({ replay, checks: [{ ...check, finding: [finding, ...notReplayed(versions)].join('; ') }] })
  }
  return conclude(proofs, startedAtMs, skippedIn(versions))
}

interface Version {
  readonly name: string
  readonly version: number
  readonly role: string
  readonly skips: readonly { partition: number; sequence: string; reason: string; by: string; at: string }[]
}

async function versionsThere(url: string): Promise<readonly Version[]> {
  const query = '{ projectionVersions { name version role skips { partition sequence reason by at } } }'
  return (await graphql<{ projectionVersions: readonly Version[] }>(url, query)).projectionVersions
}

/** Rows stand where only the platform's own engine reads them. */
function notReplayed(versions: readonly Version[]): readonly string[] {
  const names = versions
    .filter(({ role, name }) => role === 'SERVING' && name !== BALANCES)
    .map(({ name }) => name)
  if (names.length === 0) return []
  return [`not replayed beside a platform that runs: ${names.join(', ')}; stop it, and audit again`]
}

/** What operators have left out of the versions that are there. */
function skippedIn(versions: readonly Version[]): readonly SkippedEvent[] {
  return versions.flatMap(({ name, version, skips }) =>
    skips.map(({ partition, sequence, ...rest }) => ({
      name,
      version,
      position: `${partition}:${sequence}`,
      ...rest,
    })),
  )
}

async function replayLive(dataDir: string, partition: number): Promise<Replay> {
  for (let attempt = 1; ; attempt++) {
    try {
      return replayLog(dataDir, partition)
    } catch (error) {
      if (!(error instanceof LogCorruptError) || attempt === REPLAYS_MAX) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}

async function compareBalances(url: string, replay: Replay): Promise<Check> {
  const at = encodePosition(new Map([[replay.head.partition, replay.head.sequence]]))
  const step = Math.max(1, Math.ceil(replay.accounts / ACCOUNTS_COMPARED_MAX))
  const differences: string[] = []
  let compared = 0
  let numbers: number[] = []
  for (let number = 1; number <= replay.accounts; number += step) {
    numbers.push(number)
    if (numbers.length < ACCOUNTS_PER_REQUEST && number + step <= replay.accounts) continue
    differences.push(...(await compareSome(url, replay, numbers, at)))
    compared += numbers.length
    numbers = []
  }
  return {
    name: 'views',
    holds: differences.length === 0,
    finding:
      differences.length === 0
        ? `balances of ${compared} of ${replay.accounts} accounts are what the log gives, read as of event ${replay.head.sequence}`
        : `${differences.length} of ${compared} accounts differ from the log: ${differences.slice(0, 5).join(', ')}`,
  }
} // prettier-ignore

/** Accounts whose balance or held amount is not what the replay gives. */
async function compareSome(url: string, replay: Replay, numbers: readonly number[], at: string): Promise<string[]> {
  const accounts = numbers.map((number) => replay.core.account(number)!)
  const fields = accounts.map(
    ({ id }, index) =>
      `a${index}: balance(accountId: "${formatId(id)}", at: { position: $at }, after: $at) { balance { minor } held { minor } }`,
  )
  const query = `query Audit($at: Position!) { ${fields.join('\n')} }`
  type Answer = Record<string, { balance: { minor: string }; held: { minor: string } } | null>
  const answer = await graphql<Answer>(url, query, { at })
  return accounts.flatMap((account, index) => {
    const told = answer[`a${index}`]
    const balance = account.creditsPosted - account.debitsPosted
    const isSame = told?.balance.minor === balance.toString() && told.held.minor === account.debitsPending.toString()
    return isSame ? [] : [formatId(account.id)]
  })
} // prettier-ignore
