import { describe, expect, test } from 'vitest'
import { LeaderMovedError, unlessLeaderMoves, type LeaderWatchOptions } from './leader-watch.ts'

const never = new Promise<never>(() => undefined)
const SOON = { waitMs: 5, askEveryMs: 5 }

/** Brokers that say one after the other who leads; the last one again and again. */
function told(...answers: readonly (string | Error)[]): { asked: number; options: LeaderWatchOptions } {
  const state = {
    asked: 0,
    options: {
      ...SOON,
      leader: () => '1',
      askForLeader: async () => {
        const answer = answers[Math.min(state.asked++, answers.length - 1)]!
        if (answer instanceof Error) throw answer
        return answer
      },
    },
  }
  return state
}

describe('who waits for a leader', () => {
  test('waits no longer when another broker leads, however long it takes to learn that', async () => {
    const brokers = told(new Error('away'), '1', new Error('away'), '2')
    await expect(unlessLeaderMoves(brokers.options, () => never)).rejects.toThrow(LeaderMovedError)
    expect(brokers.asked).toBe(4)
  })

  test('waits on for one that is only slow', async () => {
    const brokers = told('1')
    const answer = unlessLeaderMoves(
      brokers.options,
      () => new Promise((resolve) => setTimeout(resolve, 100, 'answered')),
    )
    expect(await answer).toBe('answered')
    const { asked } = brokers
    expect(asked).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(brokers.asked).toBe(asked)
  })

  test('asks nobody as long as answers come soon, and hears what the work fails with', async () => {
    const brokers = told('2')
    const patient = { ...brokers.options, waitMs: 60_000 }
    expect(await unlessLeaderMoves(patient, async () => 1)).toBe(1)
    await expect(unlessLeaderMoves(patient, async () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    )
    expect(brokers.asked).toBe(0)
  })

  test('begins anew where whoever was asked first does not even say who leads, and others do', async () => {
    const brokers = told('1')
    const options = { ...brokers.options, leader: () => undefined }
    await expect(unlessLeaderMoves(options, () => never)).rejects.toThrow(LeaderMovedError)
  })
})
