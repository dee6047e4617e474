/** Makes transfers between accounts of chosen partitions, straight into slots: no object and no big integer for each. */
import {
  COMMAND_KINDS,
  HEAD_SHIFT,
  ROUTE_ACROSS,
  ROUTE_SAGA,
  ROUTE_TCC,
  SLOT,
  SLOT_WORDS,
  type Coordination,
} from '../../schemas/commands.ts'
import { packCurrency } from '../../schemas/money.ts'
import { partitionOfWords } from '../../schemas/partitions.ts'
import { writeAccountId } from '../generator.ts'
import { Random } from '../random.ts'

const WORDS = SLOT_WORDS * 2
const ID_WORDS = 4
const CURRENCY = 'EUR'
const CURRENCY_WORD = Number(packCurrency(CURRENCY))
const AMOUNT_MAX = 100

/** The accounts of a deployment, by the partition in which they live. */
export class SpreadAccounts {
  /** Numbers of the accounts of each partition. */
  readonly numbers: readonly number[][]
  readonly #ids: readonly Int32Array[]

  /** @param accounts numbered from 1 */
  constructor(accounts: number, partitions: number) {
    this.numbers = Array.from({ length: partitions }, () => [])
    const id = new Int32Array(ID_WORDS)
    for (let number = 1; number <= accounts; number++) {
      writeAccountId(id, 0, number)
      this.numbers[partitionOfWords(id, 0, partitions)]!.push(number)
    }
    this.#ids = this.numbers.map((numbers) => {
      const ids = new Int32Array(numbers.length * ID_WORDS)
      numbers.forEach((number, index) => writeAccountId(ids, index * ID_WORDS, number))
      return ids
    })
  }

  /** Writes the id of any account of a partition. */
  draw(random: Random, partition: number, words: Int32Array, at: number): void {
    const ids = this.#ids[partition]!
    const from = random.below(this.numbers[partition]!.length) * ID_WORDS
    for (let word = 0; word < ID_WORDS; word++) words[at + word] = ids[from + word]!
  }
}

export class TransferMaker {
  readonly #accounts: SpreadAccounts
  readonly #random: Random
  readonly #acrossShare: number
  readonly #route: number

  /** @param acrossShare of all transfers, to an account of another partition, any of them as often as another */
  constructor(accounts: SpreadAccounts, seed: number, acrossShare: number, coordination: Coordination) {
    this.#accounts = accounts
    this.#random = new Random(seed)
    this.#acrossShare = acrossShare
    this.#route = ROUTE_ACROSS | (coordination === 'saga' ? ROUTE_SAGA : ROUTE_TCC)
  }

  /**
   * Fills `count` slots with transfers from accounts of a partition, numbered in their `code`.
   * @returns how many of them go to another partition
   */
  fill(words: Int32Array, count: number, partition: number, firstSerial: number, nowMs: number): number {
    const random = this.#random
    const partitions = this.#accounts.numbers.length
    let across = 0
    words.fill(0, 0, count * WORDS)
    for (let index = 0; index < count; index++) {
      const at = index * WORDS
      const isAcross = random.chance(this.#acrossShare)
      const to = isAcross ? (partition + 1 + random.below(partitions - 1)) % partitions : partition
      if (isAcross) across += 1
      words[at] = COMMAND_KINDS.Transfer | (isAcross ? this.#route << HEAD_SHIFT.route : 0)
      words[at + 1] = firstSerial + index
      const id = at + SLOT.idHigh * 2
      words[id] = ((nowMs % 65_536) << 16) | 0x7000 | (random.next() & 0xfff)
      words[id + 1] = Math.floor(nowMs / 65_536)
      words[id + 2] = random.next()
      words[id + 3] = (random.next() & 0x3fff_ffff) | 0x8000_0000
      this.#accounts.draw(random, partition, words, at + SLOT.debitHigh * 2)
      this.#accounts.draw(random, to, words, at + SLOT.creditHigh * 2)
      words[at + SLOT.amount * 2] = 1 + random.below(AMOUNT_MAX)
      words[at + SLOT.currency * 2] = CURRENCY_WORD
    }
    return across
  }
}
