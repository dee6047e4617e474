/**
 * Writing past the page cache (O_DIRECT, open(2)): the disk takes the bytes from where they stand, which saves a copy and
 * the kernel's bookkeeping of pages that nobody reads again. It wants memory, place and length in whole blocks; whatever
 * is not so, and whatever disk cannot do it, is left to the ordinary way. Both ways go to one file, block by block, and
 * the kernel keeps them consistent; fdatasync makes both durable.
 */
import * as fs from 'node:fs'
import { hasCode } from '../system-error.ts'

/** The block of all disks in use; segments are laid out in it. */
const BLOCK_BYTES = 4096
const WASM_PAGE_BYTES = 65_536

export interface DirectWriter {
  /** Writes as `DiskFile.write` does; undefined: not possible this way, nothing was written. */
  write(parts: readonly Uint8Array[], at: number): number | undefined
  close(): void
}

/** Opens an existing file for direct writing; undefined where the system or the disk has no such thing. */
export function openDirect(file: string): DirectWriter | undefined {
  // Only Linux has the flag.
  const flag = (fs.constants as Partial<typeof fs.constants>).O_DIRECT
  if (flag === undefined) return undefined
  let fd: number
  try {
    fd = fs.openSync(file, fs.constants.O_WRONLY | flag)
  } catch (error) {
    if (hasCode(error, 'EINVAL') || hasCode(error, 'ENOTSUP')) return undefined
    throw error
  }
  let isPossible = true
  return {
    write(parts, at) {
      const [bytes] = parts
      if (!isPossible || bytes === undefined || parts.length > 1 || !isAligned(bytes, at)) return undefined
      try {
        return fs.writeSync(fd, bytes, 0, bytes.length, at)
      } catch (error) {
        // A disk with larger blocks: nothing was written, nor will be this way.
        if (!hasCode(error, 'EINVAL')) throw error
        isPossible = false
        return undefined
      }
    },
    close: () => {
      fs.closeSync(fd)
    },
  }
}

/** Buffers of `pageAlignedMemory`: only shared memory is ever so, and where it begins cannot be asked. */
function isAligned(bytes: Uint8Array, at: number): boolean {
  return (
    bytes.buffer instanceof SharedArrayBuffer &&
    (bytes.byteOffset | bytes.length | at) % BLOCK_BYTES === 0 &&
    bytes.length > 0
  )
}

/** What is used of WebAssembly, which Node has and its type definitions lack. */
declare const WebAssembly: {
  readonly Memory: new (pages: {
    readonly initial: number
    readonly maximum: number
    readonly shared: true
  }) => { readonly buffer: SharedArrayBuffer }
}

/** Zeroed shared memory that begins at a page: WebAssembly's memories do, and those of SharedArrayBuffer itself do not. */
export function pageAlignedMemory(bytes: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
}
