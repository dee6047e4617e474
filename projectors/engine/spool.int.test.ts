import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { withFolder } from '../../test/support/purser.ts'
import { Spool } from './spool.ts'

test.each(['ENOSPC', 'EDQUOT'])('a body for which the disk has no room (%s) may come again; nothing stays of it', (code) =>
  withFolder(async (folder) => {
    const spool = await Spool.open(folder)
    const body = new Readable({
      read() {
        this.destroy(Object.assign(new Error(`${code}: no space left on device, write`), { code }))
      },
    })
    await expect(spool.receive(body, new AbortController().signal)).rejects.toMatchObject({
      type: 'NOT_ENOUGH_SPACE',
      message: `${code}: no space left on device, write`,
    })
    expect(await readdir(folder)).toEqual([])
  }),
) // prettier-ignore
