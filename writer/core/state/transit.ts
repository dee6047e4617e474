/** The transit account of each currency: where a partition keeps money that is on its way (schemas/crossing.ts). */
export class TransitAccounts {
  /** Account numbers by index of the currency; 0 where none was opened. */
  private numbers = new Int32Array(16)

  of(currency: number): number {
    return currency < this.numbers.length ? this.numbers[currency]! : 0
  }

  set(currency: number, number: number): void {
    if (currency >= this.numbers.length) {
      const numbers = new Int32Array(currency * 2)
      numbers.set(this.numbers)
      this.numbers = numbers
    }
    this.numbers[currency] = number
  }

  /** Those of currencies 1 to `currencies`, as they are now. */
  kept(currencies: number): Int32Array<ArrayBuffer> {
    const kept = new Int32Array(currencies)
    kept.set(this.numbers.subarray(1, currencies + 1))
    return kept
  }
}
