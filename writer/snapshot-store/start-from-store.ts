/**
 * Starts a core from the newest snapshot that is usable, wherever it is: in the scratch folder of this machine, or in the
 * store that all writers share. A store that does not answer never costs the start: it costs time, and the log is not compared
 * with what the store knows of it until it answers (publish-witness.ts).
 */
import { messageOf } from '../../schemas/errors.ts'
import { unlessAborted } from '../../eventlog/abort.ts'
import { nodeDisk } from '../../eventlog/disk/disk.ts'
import { makeFolders } from '../../eventlog/disk/make-folders.ts'
import type { LoadedSnapshot } from '../thread/core-messages.ts'
import type { CoreThreadHandle } from '../thread/core-thread-handle.ts'
import { listSnapshots, snapshotFile, snapshotsFolder } from '../snapshots/snapshot-folder.ts'
import type { HeadWitness } from './head-witness.ts'
import type { SnapshotStore, StoredSnapshot } from './snapshot-store.ts'

export interface StartFromStoreOptions {
  readonly store: SnapshotStore
  /** Holds `snapshots/<partition>/` of this machine. */
  readonly scratchDir: string
  readonly partition: number
  /** Starts the core thread over the scratch folder: it loads the newest snapshot there that it can use. */
  readonly startCore: () => CoreThreadHandle
  /** Takes a line for the operator. */
  readonly notice: (line: string) => void
  /** Ends the start: nobody waits for a store any longer. */
  readonly signal: AbortSignal
}

export interface StartedCore {
  readonly core: CoreThreadHandle
  readonly loaded: LoadedSnapshot
  /** A frame that the log has to hold; undefined if the store knows of none, or does not answer. */
  readonly witness: HeadWitness | undefined
}

/** @throws the system's error if the scratch folder cannot be used; WriterBrokenError; the signal's reason */
export async function startFromStore(options: StartFromStoreOptions): Promise<StartedCore> {
  const { store, scratchDir, partition, startCore, notice, signal } = options
  makeFolders(snapshotsFolder(scratchDir, partition))
  const local = new Set(listSnapshots(nodeDisk, scratchDir, partition).map(({ sequence }) => sequence))
  // Sequences that are worth asking the store for.
  const untried = new Set<bigint>()
  const { stored, witness } = await asked()
  for (const { sequence } of stored) untried.add(sequence)
  // What is here already is looked at first, and fetched only if it turns out to be damaged.
  const wanted = stored[0]
  if (wanted !== undefined && !local.has(wanted.sequence)) await fetch(wanted)
  for (;;) {
    signal.throwIfAborted()
    const core = startCore()
    const loaded = await unlessAborted(signal, () => core.loaded()).catch(async (error: unknown) => {
      await core.end()
      throw error
    })
    const better = stored.find(({ sequence }) => sequence > loaded.sequence && untried.has(sequence))
    if (better === undefined) return { core, loaded, witness }
    await core.end()
    await fetch(better)
  }

  async function asked(): Promise<{
    readonly stored: readonly StoredSnapshot[]
    readonly witness: HeadWitness | undefined
  }> {
    // At once, so that an outage is waited for once.
    const [stored, witness] = await Promise.allSettled([
      store.list(partition, signal),
      store.readWitness(partition, signal),
    ])
    signal.throwIfAborted()
    if (stored.status === 'rejected') giveUpOn(stored.reason)
    if (witness.status === 'rejected')
      notice(
        `Whether the log of partition ${partition} went backwards is not known until the store answers: ${messageOf(witness.reason)}`,
      )
    return {
      stored: stored.status === 'fulfilled' ? stored.value : [],
      witness: witness.status === 'fulfilled' ? witness.value : undefined,
    }
  }

  async function fetch({ sequence }: StoredSnapshot): Promise<void> {
    untried.delete(sequence)
    try {
      await store.fetch(partition, sequence, snapshotFile(scratchDir, partition, sequence), signal)
    } catch (error) {
      giveUpOn(error)
    }
  }

  /** No other snapshot is asked for, so that an outage is waited for once. */
  function giveUpOn(error: unknown): void {
    signal.throwIfAborted()
    untried.clear()
    notice(
      `No snapshot of partition ${partition} comes from the store: ${messageOf(error)} ` +
        'The writer starts from what is on this machine, or from the beginning of the log, which may take long.',
    )
  }
}
