/** The base times of imports: what the platform keeps of each chunk. */
import { z } from 'zod'
import { CommandFailure } from '../failure.ts'
import { postJson } from './retry.ts'

const chunkSchema = z.object({
  baseTimesMs: z.array(z.number().int().nonnegative()).min(1),
  anchor: z.string().optional(),
})

/** What the platform keeps of a chunk. */
export interface KeptChunk {
  readonly baseTimesMs: readonly number[]
  /** As given when the chunk was first begun. */
  readonly anchor?: string | undefined
}

/**
 * The base times of one chunk of an import, oldest first. The platform gives the first one when it is first asked, and keeps
 * them, so that a second run makes the same ids.
 * @param request `further` also begins a new one, for rows whose ids have expired without ever taking effect; `anchor` is
 *   kept with the first one
 */
export async function chunkBaseTimes(
  url: string,
  importName: string,
  chunk: number,
  request: { readonly further: boolean; readonly anchor: string },
): Promise<KeptChunk> {
  const path = `${url}/imports/${encodeURIComponent(importName)}/chunks/${chunk}`
  const answer = chunkSchema.safeParse(await postJson(path, JSON.stringify(request)))
  if (!answer.success) throw notUnderstood(url)
  return answer.data
}

function notUnderstood(url: string): CommandFailure {
  return new CommandFailure(
    'platform_unavailable',
    `What answers at ${url} is no platform of this version. Check --url, and that both sides are of one version.`,
  )
}
