import { describe, expect, it } from 'vitest'
import { OutageWatch, type WatchedLink } from './outage-watch.ts'

const TO = { topic: 'purser.events', partition: 3 }
const SILENT = /^Kafka has not answered for partition 3 of purser\.events for 5 s\.$/

function watched(): { watch: OutageWatch; link: WatchedLink; pass: (ms: number) => void } {
  let nowMs = 1_000
  const watch = new OutageWatch(() => nowMs)
  return { watch, link: watch.add(TO), pass: (ms) => void (nowMs += ms) }
}

describe('an outage', () => {
  it('is told of when a request has gone unanswered for five seconds, with why the last attempt failed, and ends with an answer', () => {
    const { watch, link, pass } = watched()
    link.asked()
    pass(4_999)
    expect(watch.outages()).toEqual([])
    pass(1)
    expect(watch.outages()).toEqual([expect.stringMatching(SILENT)])
    link.failed(new Error('The connection was refused.'))
    pass(2_700)
    expect(watch.outages()).toEqual([
      'Kafka has not answered for partition 3 of purser.events for 7 s: The connection was refused.',
    ])
    link.answered()
    expect(watch.outages()).toEqual([])
    pass(60_000)
    expect(watch.outages()).toEqual([])
  })

  it('is none where nothing is asked, nor where each request is answered in time', () => {
    const { watch, link, pass } = watched()
    for (let request = 0; request < 20; request++) {
      pass(request * 1_000)
      link.asked()
      pass(1_000)
      expect(watch.outages()).toEqual([])
      link.answered()
    }
  })

  it('that was given up is told of for five seconds and no longer, if nobody asks again', () => {
    const { watch, link, pass } = watched()
    link.asked()
    link.gaveUp(new Error('Refused.'))
    expect(watch.outages()).toEqual(['Refused.'])
    pass(4_999)
    expect(watch.outages()).toEqual(['Refused.'])
    pass(1)
    expect(watch.outages()).toEqual([])
    // Whoever asks then begins anew.
    link.asked()
    expect(watch.outages()).toEqual([])
  })

  it('goes on without a pause where the next request follows the one that was given up', () => {
    const { watch, link, pass } = watched()
    link.asked()
    pass(20_000)
    link.gaveUp(new Error('Given up.'))
    pass(1)
    link.asked()
    for (const seconds of [20, 24, 29, 34]) {
      expect(watch.outages()).toEqual([`Kafka has not answered for partition 3 of purser.events for ${seconds} s.`])
      pass(seconds === 20 ? 4_000 : 5_000)
    }
    link.answered()
    expect(watch.outages()).toEqual([])
  }) // prettier-ignore

  it('is none of a request that was withdrawn, nor of a link that is closed', () => {
    const { watch, link, pass } = watched()
    link.asked()
    pass(4_000)
    link.withdrawn()
    pass(10_000)
    expect(watch.outages()).toEqual([])
    const other = watch.add({ ...TO, partition: 4 })
    for (const one of [link, other]) one.asked()
    pass(5_000)
    expect(watch.outages()).toHaveLength(2)
    link.close()
    expect(watch.outages()).toEqual([expect.stringContaining('partition 4')])
  })
})
