/** Up to this size, growing copies: cheap to make, and some 5 ms at most to copy. */
const COPIED_BYTES_MAX = 16 * 1024 * 1024
/** Bytes of WebAssembly's unit of growth, and the most that one memory may have: 4 GiB. */
const PAGE_BYTES = 65_536
const PAGES_MAX = 65_536
/** Bytes that a large block begins before the next cache line: the C library keeps 16 of its own in front. */
const ALIGNMENT_BYTES = 48

/**
 * Zeroed memory that grows without being copied, once it is large: copying gigabytes would stop the core for a second.
 *
 * A large one is a WebAssembly memory, for which the system reserves addresses, and memory only as it grows. It is a shared
 * one, though no other thread sees it: an unshared one detaches its old buffer as it grows, and an engine in which a single
 * buffer was ever detached checks for it at every access to any array.
 */
export class GrowingMemory {
  buffer: ArrayBufferLike
  /** Where in the buffer it begins: in one cache line with the 63 bytes behind it. */
  byteOffset: number
  private memory: WebAssembly.Memory | undefined

  /** @param bytes at most 4 GiB */
  constructor(bytes: number) {
    this.memory = bytes > COPIED_BYTES_MAX ? reserve(bytes) : undefined
    this.buffer = this.memory?.buffer ?? blockOf(bytes)
    this.byteOffset = this.memory === undefined ? ALIGNMENT_BYTES : 0
  }

  /** True if growing is quick, so that it need not be done in large steps. */
  isInPlace(): boolean {
    return this.memory !== undefined
  }

  /** Makes it `bytes` large, zeroed behind what is in it. Arrays over the buffer have to be made anew. */
  grow(bytes: number): void {
    if (this.memory !== undefined) {
      this.memory.grow(Math.ceil(bytes / PAGE_BYTES) - this.memory.buffer.byteLength / PAGE_BYTES)
      this.buffer = this.memory.buffer
      return
    }
    const grown = new GrowingMemory(bytes)
    const from = new Uint8Array(this.buffer, this.byteOffset, this.buffer.byteLength - this.byteOffset)
    new Uint8Array(grown.buffer, grown.byteOffset).set(from)
    this.memory = grown.memory
    this.buffer = grown.buffer
    this.byteOffset = grown.byteOffset
  }
}

/** Undefined where the system does not give so many addresses: then growing copies. */
function reserve(bytes: number): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({
      initial: Math.ceil(bytes / PAGE_BYTES),
      maximum: PAGES_MAX,
      shared: true,
    })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** A block whose use begins at ALIGNMENT_BYTES, where the system's allocator behaves as known. */
function blockOf(bytes: number): ArrayBuffer {
  return new ArrayBuffer(ALIGNMENT_BYTES + bytes)
}
