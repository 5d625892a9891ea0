/**
 * Turns handles, in whatever order and however often, into a set that gives them out in order.
 *
 * A bit for each: a million handles that were given out in a row take 128 KiB.
 */

/** Handles that one block of bits stands for. */
const BLOCK_COUNT = 65_536
const WORD_BITS = 32

export class HandleSet {
  readonly #blocks = new Map<number, Uint32Array>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(handle: number): void {
    const number = Math.floor(handle / BLOCK_COUNT)
    let block = this.#blocks.get(number)
    if (!block) {
      block = new Uint32Array(BLOCK_COUNT / WORD_BITS)
      this.#blocks.set(number, block)
    }
    const word = (handle % BLOCK_COUNT) >>> 5
    const before = block[word] as number
    const bits = before | (1 << (handle & 31))
    if (bits >>> 0 === before) return
    block[word] = bits
    this.#size++
  }

  has(handle: number): boolean {
    const block = this.#blocks.get(Math.floor(handle / BLOCK_COUNT))
    const word = block?.[(handle % BLOCK_COUNT) >>> 5] ?? 0
    return (word & (1 << (handle & 31))) !== 0
  }

  /** In ascending order, or those after one of them, up to `countMax` at a time. */
  *batches(countMax: number, after = -1): Generator<readonly number[]> {
    let batch: number[] = []
    for (const number of [...this.#blocks.keys()].sort((a, b) => a - b)) {
      const first = number * BLOCK_COUNT
      if (first + BLOCK_COUNT <= after) continue
      const block = this.#blocks.get(number) as Uint32Array
      for (let word = 0; word < block.length; word++) {
        const bits = block[word] as number
        if (bits === 0) continue
        for (let bit = 0; bit < WORD_BITS; bit++) {
          if ((bits & (1 << bit)) === 0) continue
          const handle = first + word * WORD_BITS + bit
          if (handle <= after) continue
          batch.push(handle)
          if (batch.length < countMax) continue
          yield batch
          batch = []
        }
      }
    }
    if (batch.length > 0) yield batch
  }
}
