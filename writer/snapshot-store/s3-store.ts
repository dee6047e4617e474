/**
 * Snapshots in a bucket of S3 or of a store that speaks its protocol. A snapshot goes up in parts and comes down in ranges,
 * so that one that is larger than memory passes through, and a broken connection costs one piece. An upload that a killed
 * writer left unfinished is invisible; a lifecycle rule of the bucket should abort such uploads after a day.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3'
import { open, type FileHandle } from 'node:fs/promises'
import { readPiece, writeAside, writePiece } from './local-file.ts'
import { RETRY_FOR_MS_DEFAULT, retrying } from './retrying.ts'
import {
  SnapshotStoreError,
  nameOfSnapshot,
  newestFirst,
  parseSnapshotName,
  superfluous,
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
  /** Bytes of a part and of a range, which are in memory at a time: at least S3's own 5 MiB. Default: 16 MiB. */
  readonly pieceBytes?: number
  /** How long one request is tried again. Default: RETRY_FOR_MS_DEFAULT. */
  readonly retryForMs?: number
}

const PIECE_BYTES_DEFAULT = 16 * 1024 * 1024
/** S3's own bounds of a multipart upload. */
const PIECE_BYTES_MIN = 5 * 1024 * 1024
const PARTS_MAX = 10_000
const CONNECT_MS_MAX = 5_000
const REQUEST_MS_MAX = 60_000

export function openS3Store(options: S3StoreOptions): SnapshotStore {
  return new S3Store(options)
}

class S3Store implements SnapshotStore {
  readonly place: string
  private readonly client: S3Client
  private readonly bucket: string
  private readonly prefix: string
  private readonly pieceBytes: number
  private readonly retryForMs: number

  constructor(options: S3StoreOptions) {
    const { bucket, prefix = '', region, endpoint, pathStyle = false, credentials } = options
    this.bucket = bucket
    this.prefix = prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`
    this.place = `s3://${bucket}/${this.prefix}`
    this.pieceBytes = options.pieceBytes ?? PIECE_BYTES_DEFAULT
    if (this.pieceBytes < PIECE_BYTES_MIN) throw new RangeError('a part of an upload has at least 5 MiB')
    this.retryForMs = options.retryForMs ?? RETRY_FOR_MS_DEFAULT
    this.client = new S3Client({
      forcePathStyle: pathStyle,
      // A request is tried again here, its body included, which the SDK does not.
      maxAttempts: 1,
      // A snapshot has hashes of its own, and not every store understands the SDK's.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_MS_MAX, requestTimeout: REQUEST_MS_MAX },
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(credentials === undefined ? {} : { credentials }),
    })
  }

  async list(partition: number): Promise<StoredSnapshot[]> {
    const found: StoredSnapshot[] = []
    let token: string | undefined
    do {
      const page = await this.ask(() =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: `${this.prefix}${partition}/`,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      )
      for (const { Key: key = '', Size: bytes = 0 } of page.Contents ?? []) {
        const named = parseSnapshotName(key.slice(this.prefix.length))
        if (named?.partition === partition) found.push({ ...named, bytes })
      }
      token = page.NextContinuationToken
    } while (token !== undefined)
    return newestFirst(found)
  }

  async publish(partition: number, sequence: bigint, file: string, kept: number): Promise<void> {
    const from = await open(file, 'r')
    try {
      const { size } = await from.stat()
      const key = this.keyOf(partition, sequence)
      await (size <= this.pieceBytes ? this.put(key, from, size) : this.upload(key, from, size))
    } finally {
      await from.close()
    }
    for (const old of superfluous(await this.list(partition), sequence, kept))
      await this.ask(() => this.client.send(new DeleteObjectCommand(this.object(this.keyOf(partition, old.sequence))))) // prettier-ignore
  }

  async fetch(partition: number, sequence: bigint, file: string): Promise<'fetched' | 'absent'> {
    const object = this.object(this.keyOf(partition, sequence))
    const head = await this.ask(() =>
      this.client.send(new HeadObjectCommand(object)).catch((error: unknown) => {
        if (statusOf(error) === 404) return undefined
        throw error
      }),
    )
    if (head?.ContentLength === undefined) return 'absent'
    const { ContentLength: size, ETag: etag } = head
    await writeAside(file, async (aside) => {
      for (let at = 0; at < size; at += this.pieceBytes) {
        const bytes = Math.min(this.pieceBytes, size - at)
        // The same object throughout: one that is replaced meanwhile must not be mixed with this one.
        const range = { ...object, Range: `bytes=${at}-${at + bytes - 1}`, ...(etag === undefined ? {} : { IfMatch: etag }) } // prettier-ignore
        const piece = await this.ask(async () => {
          const { Body: body, ETag: found } = await this.client.send(new GetObjectCommand(range))
          // Not every store heeds the condition.
          if (found !== etag) throw new ReplacedError()
          const got = (await body?.transformToByteArray()) ?? new Uint8Array(0)
          if (got.length !== bytes) throw new Error(`${bytes} bytes were asked for, ${got.length} came`)
          return got
        })
        await writePiece(aside, piece, at)
      }
    })
    return 'fetched'
  }

  close(): void {
    this.client.destroy()
  }

  private async put(key: string, from: FileHandle, size: number): Promise<void> {
    const body = await readPiece(from, 0, size)
    await this.ask(() => this.client.send(new PutObjectCommand({ ...this.object(key), Body: body })))
  }

  private async upload(key: string, from: FileHandle, size: number): Promise<void> {
    const object = this.object(key)
    const { UploadId: id } = await this.ask(() => this.client.send(new CreateMultipartUploadCommand(object)))
    const upload = { ...object, UploadId: id }
    try {
      const parts: CompletedPart[] = []
      const partBytes = Math.max(this.pieceBytes, Math.ceil(size / PARTS_MAX))
      for (let at = 0; at < size; at += partBytes) {
        const number = parts.length + 1
        const body = await readPiece(from, at, Math.min(partBytes, size - at))
        const { ETag: etag } = await this.ask(() => this.client.send(new UploadPartCommand({ ...upload, PartNumber: number, Body: body }))) // prettier-ignore
        parts.push({ PartNumber: number, ETag: etag })
      }
      await this.ask(() => this.client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }))) // prettier-ignore
    } catch (error) {
      // What it leaves is invisible, and the bucket's own rule removes it if this does not.
      await this.client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
      throw error
    }
  }

  private keyOf(partition: number, sequence: bigint): string {
    return this.prefix + nameOfSnapshot(partition, sequence)
  }

  private object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.bucket, Key: key }
  }

  private async ask<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await retrying(request, { forMs: this.retryForMs, isOutage })
    } catch (error) {
      const code = isOutage(error) ? 'snapshot_store_unreachable' : 'snapshot_store_refused'
      throw new SnapshotStoreError(code, this.place, error)
    }
  }
}

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
