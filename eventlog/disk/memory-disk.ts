/**
 * A disk in memory for tests and simulation, harsher than real ones. It forgets at a crash what was not synced, page by
 * page and in any order, tears pages at sectors, forgets names whose folder was not synced, writes less than asked, and
 * fails on command. A failed sync marks its pages clean though they never reached the disk, as Linux does.
 */
import path from 'node:path'
import type { Disk, DiskFile } from './disk.ts'

const PAGE_BYTES = 4096
const SECTOR_BYTES = 512

export type DiskOperation = 'write' | 'truncate' | 'sync' | 'syncFolder' | 'create' | 'rename' | 'remove'

/** What goes wrong with an operation. `short`: a write takes half of what was asked. `crash`: as `error`, and all after it. */
export type DiskFault = 'EIO' | 'ENOSPC' | 'short' | 'crash'

/** Decides on the fault of the nth operation (from 1) that changes anything; undefined for none. */
export type DiskFaults = (operation: DiskOperation, nth: number, file: string) => DiskFault | undefined

/** Decides whether a read fails, or gives half of what was asked. */
export type ReadFaults = (file: string) => 'EIO' | 'short' | undefined

/** Chooses a number from 0 to `choices` − 1: the only source of chance. */
export type Choose = (choices: number) => number

export interface MemoryDisk extends Disk {
  /**
   * The machine stops and starts again: what was synced stands; of the rest, anything may. Files open before are dead.
   * Without `choose`, all that was not synced is gone.
   */
  crash(choose?: Choose): void
  /** The process that uses the disk dies and the machine goes on: files open before are dead, nothing written is lost. */
  kill(): void
  /** True after a `crash` fault, until `crash` is called. */
  isDown(): boolean
  /** The system writes some of the unsynced pages back by itself, in any order. */
  writeBack(choose: Choose): void
  /** Replaces the faults. */
  setFaults(faults: DiskFaults | undefined): void
  setReadFaults(faults: ReadFaults | undefined): void
  /** Turns one bit of a file, as it is read now and as it is durable. */
  flipBit(file: string, byte: number, bit: number): void
  /** Changing operations so far. */
  operations(): number
  /** Every file with its bytes as read now, by name. */
  files(): Map<string, Uint8Array<ArrayBuffer>>
  /** Every file with the bytes that are durable, by name: what the harshest crash would leave now. */
  durableFiles(): Map<string, Uint8Array<ArrayBuffer>>
  /** Puts a file on the disk, durably. */
  put(file: string, bytes: Uint8Array): void
}

/** A file's bytes, in memory that grows by doubling. Bytes beyond the length are zero. */
class Content {
  length = 0
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)

  /** The bytes, as a view. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length)
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2))
      grown.set(this.view())
      this.#bytes = grown
    }
    if (length < this.length) this.#bytes.fill(0, length, this.length)
    this.length = length
  }

  set(bytes: Uint8Array, at: number): void {
    if (at + bytes.length > this.length) this.resize(at + bytes.length)
    this.#bytes.set(bytes, at)
  }

  replace(bytes: Uint8Array): void {
    this.resize(0)
    this.set(bytes, 0)
  }
}

interface Node {
  readonly now: Content
  readonly durable: Content
  /** Pages written since they were last written back (or given up). */
  readonly dirtyPages: Set<number>
}

function emptyNode(): Node {
  return { now: new Content(), durable: new Content(), dirtyPages: new Set() }
}

/** A change of names that its folder's sync has not covered. */
interface NameChange {
  readonly folder: string
  apply(names: Map<string, Node>): void
}

export function createMemoryDisk(): MemoryDisk {
  let names = new Map<string, Node>()
  let durableNames = new Map<string, Node>()
  let nameChanges: NameChange[] = []
  let faults: DiskFaults | undefined
  let readFaults: ReadFaults | undefined
  let operations = 0
  let starts = 0
  let isDown = false

  /** Counts an operation; throws if it is to fail. True if it is to do only half. */
  function begin(operation: DiskOperation, file: string): boolean {
    if (isDown) throw diskError('EIO', file)
    operations++
    const fault = faults?.(operation, operations, file)
    if (fault === 'crash') isDown = true
    if (fault === undefined || fault === 'short') return fault === 'short'
    throw diskError(fault === 'crash' ? 'EIO' : fault, file)
  }

  function nodeOf(file: string): Node {
    const node = names.get(file)
    if (node === undefined) throw diskError('ENOENT', file)
    return node
  }

  function changeNames(folder: string, apply: (names: Map<string, Node>) => void): void {
    apply(names)
    nameChanges.push({ folder, apply })
  }

  function openNode(node: Node, name: string, isWritable: boolean): DiskFile {
    const start = starts
    let isOpen = true
    const check = (): void => {
      if (start !== starts || !isOpen) throw diskError('EBADF', name)
    }
    const read = (into: Uint8Array, at: number): number => {
      check()
      if (isDown) throw diskError('EIO', name)
      const fault = readFaults?.(name)
      if (fault === 'EIO') throw diskError('EIO', name)
      const asked = fault === 'short' ? Math.ceil(into.length / 2) : into.length
      const part = node.now.view().subarray(at, at + asked)
      into.set(part)
      return part.length
    }
    return {
      write(parts, at) {
        check()
        if (!isWritable) throw diskError('EBADF', name)
        const bytes = joined(parts)
        const isShort = begin('write', name)
        const taken = isShort ? bytes.subarray(0, Math.ceil(bytes.length / 2)) : bytes
        node.now.set(taken, at)
        for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < at + taken.length; page++)
          node.dirtyPages.add(page)
        return taken.length
      },
      read,
      readLater: async (into, at) => read(into, at),
      size() {
        check()
        return node.now.length
      },
      truncate(bytes) {
        check()
        begin('truncate', name)
        node.now.resize(bytes)
      },
      sync() {
        check()
        try {
          begin('sync', name)
        } catch (error) {
          // A machine that stops in the middle may have written any of them; one that goes on has given them up.
          if (!isDown) node.dirtyPages.clear()
          throw error
        }
        settle(node, () => 1)
        node.dirtyPages.clear()
      },
      close() {
        isOpen = false
      },
    }
  }

  return {
    open(file, mode) {
      if (isDown) throw diskError('EIO', file)
      if (mode === 'create') {
        if (names.has(file)) throw diskError('EEXIST', file)
        begin('create', file)
        const node = emptyNode()
        changeNames(path.dirname(file), (into) => into.set(file, node))
      }
      return openNode(nodeOf(file), file, mode !== 'read')
    },
    list: (folder) =>
      [...names.keys()]
        .filter((file) => path.dirname(file) === folder)
        .map((file) => path.basename(file))
        .sort(),
    makeFolder: () => undefined,
    syncFolder(folder) {
      begin('syncFolder', folder)
      for (const change of nameChanges) if (change.folder === folder) change.apply(durableNames)
      nameChanges = nameChanges.filter((change) => change.folder !== folder)
    },
    rename(from, to) {
      begin('rename', from)
      const node = nodeOf(from)
      changeNames(path.dirname(to), (into) => {
        into.delete(from)
        into.set(to, node)
      })
    },
    remove(file) {
      begin('remove', file)
      nodeOf(file)
      changeNames(path.dirname(file), (into) => into.delete(file))
    },
    crash(choose = () => 0) {
      starts++
      isDown = false
      faults = undefined
      readFaults = undefined
      for (const change of nameChanges) if (choose(2) === 1) change.apply(durableNames)
      nameChanges = []
      for (const node of new Set(durableNames.values())) {
        settle(node, choose)
        node.now.replace(node.durable.view())
        node.dirtyPages.clear()
      }
      names = new Map(durableNames)
    },
    kill() {
      starts++
    },
    isDown: () => isDown,
    writeBack(choose) {
      for (const node of names.values())
        for (const page of [...node.dirtyPages]) {
          if (choose(2) === 0) continue
          const from = page * PAGE_BYTES
          const to = Math.min(from + PAGE_BYTES, node.now.length)
          node.durable.set(node.now.view().subarray(from, to), from)
          node.dirtyPages.delete(page)
        }
    },
    setFaults(next) {
      faults = next
    },
    setReadFaults(next) {
      readFaults = next
    },
    flipBit(file, byte, bit) {
      const node = nodeOf(file)
      for (const content of [node.now, node.durable])
        if (byte < content.length) content.view()[byte]! ^= 1 << bit
    },
    operations: () => operations,
    files: () => new Map([...names].map(([name, node]) => [name, node.now.view().slice()])),
    durableFiles: () => new Map([...durableNames].map(([name, node]) => [name, node.durable.view().slice()])),
    put(file, bytes) {
      const node = emptyNode()
      node.now.replace(bytes)
      node.durable.replace(bytes)
      names.set(file, node)
      durableNames = new Map(durableNames).set(file, node)
    },
  }
}

/**
 * Brings a file's bytes on the disk to what they are if each dirty page and the size are written back (choice 1), not (0),
 * or, where a third choice is offered and taken, in part.
 */
function settle(node: Node, choose: Choose): void {
  const { durable } = node
  const now = node.now.view()
  const sizes = choose(4)
  const size =
    sizes === 0
      ? durable.length
      : sizes !== 2
        ? now.length
        : Math.min(durable.length, now.length) + choose(Math.abs(durable.length - now.length) + 1)
  durable.resize(size)
  for (const page of [...node.dirtyPages].sort((left, right) => left - right)) {
    const from = page * PAGE_BYTES
    const end = Math.min(from + PAGE_BYTES, now.length, size)
    const kept = choose(3)
    if (kept === 1 && end > from) durable.set(now.subarray(from, end), from)
    if (kept !== 2) continue
    // Torn: any of its sectors, not only the first ones.
    for (let sector = from; sector < end; sector += SECTOR_BYTES)
      if (choose(2) === 1) durable.set(now.subarray(sector, Math.min(sector + SECTOR_BYTES, end)), sector)
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function diskError(code: string, file: string): Error {
  return Object.assign(new Error(`${code}: ${file}`), { code, syscall: 'simulated' })
}
