/** Disks that take no more: the platform says so, ends with a stable code, and has lost nothing when there is room again. */
import { expect, test, type TestContext } from 'vitest'
import { expectOnce, knowNothing, openAccounts, resend, startLoad } from '../support/load.ts'
import { lastAnswer, purser, onlyJson, spawnPurser, startArguments, startServer, startServerIn, withFolder, type Server } from '../support/purser.ts' // prettier-ignore
import { need } from '../support/left-out.ts'
import { canMakeDisks, makeSmallDisk, type SmallDisk } from '../support/small-disk.ts'

const MEBIBYTES = 160
/** Takes all room there is. */
const FILL = 'cat /dev/zero >> /mnt/ballast || true'

async function withDisk<Value>(
  context: TestContext,
  work: (disk: SmallDisk) => Promise<Value>,
): Promise<Value> {
  need(context, canMakeDisks(), 'this system lets its users make no disks', 'disks')
  const disk = await makeSmallDisk(MEBIBYTES)
  try {
    return await work(disk)
  } finally {
    await disk.remove()
  }
}

/** Loads the platform until it stops, and checks how it says so. */
async function loadUntilItEnds(server: Server, known: ReturnType<typeof knowNothing>): Promise<void> {
  const load = startLoad(server.url, known)
  const ended = await server.finished
  await load.over
  expect(ended.exitCode).toBe(1)
  expect(lastAnswer(ended)).toMatchObject({ ok: false, error: { code: 'writer_failed' } })
  expect(ended.stderr).toMatch(/(EFBIG|ENOSPC).*check the disk and its free space/)
  expect(ended.stdout + ended.stderr).not.toMatch(/\n\s+at /)
}

test('a file that may not grow any more ends the platform, and nothing acknowledged is lost [J6]', () =>
  withFolder(async (folder) => {
    const known = knowNothing()
    const limited = { under: ['bash', '-c', 'ulimit -f 3072; exec "$0" "$@"'] }
    const server = await startServerIn(limited, folder)
    await openAccounts(server.url)
    await loadUntilItEnds(server, known)
    expect(known.acknowledged.length).toBeGreaterThan(200)

    const again = await startServer(folder)
    await resend(again.url, known)
    await expectOnce(again.url, known)
    await again.stop()
    const audit = onlyJson((await purser('audit', '--data', folder, '--json')).stdout)
    expect(audit).toMatchObject({ ok: true, trialBalance: { EUR: '0' } })
  }))

test('a full disk ends the platform, which starts again when there is room, and nothing is lost [J6]', (context) =>
  withDisk(context, async (disk) => {
    const { folder, inside } = disk
    const known = knowNothing()
    const server = await startServerIn(inside, folder)
    await openAccounts(server.url)
    const load = startLoad(server.url, known)
    await load.acknowledged(200)
    await load.end()
    disk.shell(FILL)
    await loadUntilItEnds(server, known)

    // A torn end that was cut may have made room for a little: it is taken, too.
    disk.shell(FILL)
    const still = await spawnPurser(startArguments(folder), inside).finished
    expect(still.exitCode).toBe(1)
    expect(onlyJson(still.stdout)).toMatchObject({ ok: false, error: { code: 'folder_unusable' } })

    disk.shell('rm /mnt/ballast')
    const again = await startServerIn(inside, folder)
    await resend(again.url, known)
    await expectOnce(again.url, known)
    await again.stop()
  }))

test('a read-only disk is refused with its name, and nothing on it is changed', (context) =>
  withDisk(context, async (disk) => {
    const { folder, inside } = disk
    const known = knowNothing()
    const server = await startServerIn(inside, folder)
    await openAccounts(server.url)
    const load = startLoad(server.url, known)
    await load.acknowledged(100)
    await load.end()
    await server.stop()

    const before = disk.shell(`cd ${folder} && find . -type f | sort | xargs sha256sum`)
    disk.shell('mount -o remount,ro /mnt')
    const refused = await spawnPurser(startArguments(folder), inside).finished
    expect(refused.exitCode).toBe(1)
    expect(onlyJson(refused.stdout)).toMatchObject({ ok: false, error: { code: 'folder_unusable' } })
    expect(refused.stdout).toContain('read-only')
    expect(disk.shell(`cd ${folder} && find . -type f | sort | xargs sha256sum`)).toBe(before)

    disk.shell('mount -o remount,rw /mnt')
    const again = await startServerIn(inside, folder)
    await expectOnce(again.url, known)
    await again.stop()
  }))
