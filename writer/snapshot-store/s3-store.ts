/**
 * Snapshots in a bucket of S3 or of a store that speaks its protocol. A snapshot goes up in parts and comes down in ranges,
 * so that one that is larger than memory passes through, and a broken connection costs one piece. An upload that a killed
 * writer left unfinished is invisible; a lifecycle rule of the bucket should abort such uploads after a day.
 */
import { S3, type CompletedPart } from '@aws-sdk/client-s3'
import { open, type FileHandle } from 'node:fs/promises'
import { eitherOf, unlessAborted } from '../../eventlog/abort.ts'
import { retryOutage } from '../../eventlog/retry-outage.ts'
import { encodeWitness, nameOfWitness, WITNESS_BYTES_MAX, type HeadWitness } from './head-witness.ts'
import { readPiece, writeAside, writePiece } from './local-file.ts'
import {
  SnapshotStoreError,
  nameOfSnapshot,
  newestFirst,
  parseSnapshotName,
  superfluous,
  witnessIn,
  type SnapshotStore,
  type StoredSnapshot,
} from './snapshot-store.ts'

export interface S3StoreOptions {
  readonly bucket: string
  /** Put before every name, such as `purser/prod`; default: none. */
  readonly prefix?: string
  /** Default: what the SDK finds. */
  readonly region?: string
  /** URL of a store other than Amazon's. */
  readonly endpoint?: string
  /** True: the bucket stands in the path, as most other stores want it. Default: false. */
  readonly pathStyle?: boolean
  /** Default: what the SDK finds, as the AWS command line does. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Bytes of a part and of a range, which are in memory at a time: at least S3's own 5 MiB. Default: 8 MiB. */
  readonly pieceBytes?: number
  /** How long one try of a request may take, its body included. Default: 30 seconds. */
  readonly requestMsMax?: number
  /** How long one request is tried again. Default: 30 seconds. */
  readonly retryForMs?: number
}

const PIECE_BYTES_DEFAULT = 8 * 1024 * 1024
/** S3's own bounds of a multipart upload. */
const PIECE_BYTES_MIN = 5 * 1024 * 1024
const PARTS_MAX = 10_000
const CONNECT_MS_MAX = 5_000
const REQUEST_MS_MAX_DEFAULT = 30_000
const RETRY_FOR_MS_DEFAULT = 30_000
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5_000

export function openS3Store(options: S3StoreOptions): SnapshotStore {
  return new S3Store(options)
}

class S3Store implements SnapshotStore {
  readonly location: string
  private readonly client: S3
  private readonly bucket: string
  private readonly prefix: string
  private readonly pieceBytes: number
  private readonly requestMsMax: number
  private readonly retryForMs: number
  private readonly closing = new AbortController()

  constructor(options: S3StoreOptions) {
    const { bucket, prefix = '', region, endpoint, pathStyle = false, credentials } = options
    this.bucket = bucket
    this.prefix = prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`
    this.location = `s3://${bucket}/${this.prefix}`
    this.pieceBytes = options.pieceBytes ?? PIECE_BYTES_DEFAULT
    if (this.pieceBytes < PIECE_BYTES_MIN) throw new RangeError('a part of an upload has at least 5 MiB')
    this.requestMsMax = options.requestMsMax ?? REQUEST_MS_MAX_DEFAULT
    this.retryForMs = options.retryForMs ?? RETRY_FOR_MS_DEFAULT
    this.client = new S3({
      forcePathStyle: pathStyle,
      // A request is tried again here, its body included, which the SDK does not.
      maxAttempts: 1,
      // A snapshot has hashes of its own, and not every store understands the SDK's.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // What takes too long behind that is ended here: the SDK's own bounds end where the answer's body begins.
      requestHandler: { connectionTimeout: CONNECT_MS_MAX },
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    })
  }

  async list(partition: number, signal?: AbortSignal): Promise<StoredSnapshot[]> {
    const found: StoredSnapshot[] = []
    const within = { Bucket: this.bucket, Prefix: `${this.prefix}${partition}/` }
    let token: string | undefined
    do {
      const asked = token === undefined ? within : { ...within, ContinuationToken: token }
      const page = await this.ask((bound) => this.client.listObjectsV2(asked, bound), signal)
      for (const { Key: key = '', Size: bytes = 0 } of page.Contents ?? []) {
        const named = parseSnapshotName(key.slice(this.prefix.length))
        if (named?.partition === partition) found.push({ ...named, bytes })
      }
      token = page.NextContinuationToken
    } while (token !== undefined)
    return newestFirst(found)
  }

  async publish(partition: number, sequence: bigint, file: string, kept: number, signal?: AbortSignal): Promise<void> {
    const from = await open(file, 'r')
    try {
      const { size } = await from.stat()
      const key = this.keyOf(partition, sequence)
      if (size <= this.pieceBytes) await this.put(key, await readPiece(from, 0, size), signal)
      else await this.upload(key, from, size, signal)
    } finally {
      await from.close()
    }
    for (const old of superfluous(await this.list(partition, signal), sequence, kept)) {
      const object = this.object(this.keyOf(partition, old.sequence))
      await this.ask((bound) => this.client.deleteObject(object, bound), signal)
    }
  } // prettier-ignore

  async fetch(partition: number, sequence: bigint, file: string, signal?: AbortSignal): Promise<'fetched' | 'absent'> {
    const object = this.object(this.keyOf(partition, sequence))
    const head = await this.ask(
      (bound) =>
        this.client.headObject(object, bound).catch((error: unknown) => {
          if (statusOf(error) === 404) return undefined
          throw error
        }),
      signal,
    )
    if (head?.ContentLength === undefined) return 'absent'
    const { ContentLength: size, ETag: etag } = head
    await writeAside(file, async (aside) => {
      for (let at = 0; at < size; at += this.pieceBytes) {
        const bytes = Math.min(this.pieceBytes, size - at)
        // The same object throughout: one that is replaced meanwhile must not be mixed with this one.
        const range = { ...object, Range: `bytes=${at}-${at + bytes - 1}`, ...(etag === undefined ? {} : { IfMatch: etag }) }
        const piece = await this.ask(async (bound) => {
          const { Body: body, ETag: found } = await this.client.getObject(range, bound)
          // Not every store heeds the condition.
          if (found !== etag) throw new ReplacedError()
          const got = (await body?.transformToByteArray()) ?? new Uint8Array(0)
          if (got.length !== bytes) throw new Error(`${bytes} bytes were asked for, ${got.length} came`)
          return got
        }, signal)
        await writePiece(aside, piece, at)
      }
    })
    return 'fetched'
  } // prettier-ignore

  async readWitness(partition: number, signal?: AbortSignal): Promise<HeadWitness | undefined> {
    const object = this.object(this.prefix + nameOfWitness(partition))
    const text = await this.ask(async (bound) => {
      try {
        const { Body: body } = await this.client.getObject(
          { ...object, Range: `bytes=0-${WITNESS_BYTES_MAX - 1}` },
          bound,
        )
        return await body?.transformToString('latin1')
      } catch (error) {
        if (statusOf(error) === 404) return undefined
        throw error
      }
    }, signal)
    return text === undefined ? undefined : witnessIn(this.location, text, partition)
  }

  async writeWitness(witness: HeadWitness, signal?: AbortSignal): Promise<void> {
    const key = this.prefix + nameOfWitness(witness.partition)
    await this.put(key, Buffer.from(encodeWitness(witness)), signal)
  }

  close(): void {
    this.closing.abort(new Error('the store was closed from this side'))
    this.client.destroy()
  }

  private async put(key: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    await this.ask((bound) => this.client.putObject({ ...this.object(key), Body: body }, bound), signal)
  }

  private async upload(
    key: string,
    from: FileHandle,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const object = this.object(key)
    const { UploadId: id } = await this.ask((bound) => this.client.createMultipartUpload(object, bound), signal) // prettier-ignore
    const upload = { ...object, UploadId: id }
    try {
      const parts: CompletedPart[] = []
      const partBytes = Math.max(this.pieceBytes, Math.ceil(size / PARTS_MAX))
      for (let at = 0; at < size; at += partBytes) {
        const number = parts.length + 1
        const body = await readPiece(from, at, Math.min(partBytes, size - at))
        const part = { ...upload, PartNumber: number, Body: body }
        const { ETag: etag } = await this.ask((bound) => this.client.uploadPart(part, bound), signal)
        parts.push({ PartNumber: number, ETag: etag })
      }
      const whole = { ...upload, MultipartUpload: { Parts: parts } }
      await this.ask((bound) => this.client.completeMultipartUpload(whole, bound), signal)
    } catch (error) {
      // What it leaves is invisible, and the bucket's own rule removes it if this does not.
      await this.once((bound) => this.client.abortMultipartUpload(upload, bound)).catch(() => undefined)
      throw error
    }
  }

  private keyOf(partition: number, sequence: bigint): string {
    return this.prefix + nameOfSnapshot(partition, sequence)
  }

  private object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: key }
  }

  /** @param signal ends the asking, with its reason */
  private async ask<T>(request: Request<T>, signal: AbortSignal | undefined): Promise<T> {
    const ending = eitherOf(this.closing.signal, signal)
    try {
      return await retryOutage(() => this.once(request, ending.signal), {
        isOutage,
        forMs: this.retryForMs,
        pauseMs: RETRY_MS_MIN,
        pauseMsMax: RETRY_MS_MAX,
        signal: ending.signal,
      })
    } catch (error) {
      ending.signal.throwIfAborted()
      const code = isOutage(error) ? 'snapshot_store_unreachable' : 'snapshot_store_refused'
      throw new SnapshotStoreError(code, this.location, error)
    } finally {
      ending.release()
    }
  }

  /** One try, which ends within its bound also if the store takes the request and never answers. */
  private async once<T>(request: Request<T>, ending = this.closing.signal): Promise<T> {
    const late = new AbortController()
    const timer = setTimeout(() => {
      late.abort(new Error(`no whole answer within ${this.requestMsMax / 1_000} s`))
    }, this.requestMsMax)
    const either = eitherOf(late.signal, ending)
    try {
      either.signal.throwIfAborted()
      return await unlessAborted(either.signal, () => request({ abortSignal: either.signal }))
    } finally {
      clearTimeout(timer)
      either.release()
    }
  }
}

/** A request to the store, that ends when it is told to. */
type Request<T> = (bound: { readonly abortSignal: AbortSignal }) => Promise<T>

class ReplacedError extends Error {
  override readonly message = 'the snapshot was replaced while it came down'
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

/** Worth another try: no answer at all, or one that speaks of the store's own state. */
function isOutage(error: unknown): boolean {
  if (error instanceof ReplacedError) return false
  const status = statusOf(error)
  if (status === undefined) {
    const { name, message } = error as Error
    return name !== 'CredentialsProviderError' && message !== 'Region is missing'
  }
  return status >= 500 || status === 429 || status === 408 || status < 300
}
