import { Utils } from "effect"

/** The only source of randomness in a world. The same seed always gives the same sequence. */
export class RandomSource {
  private readonly random: Utils.PCGRandom
  private ids = 0

  constructor(seed: number) {
    this.random = new Utils.PCGRandom(seed)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.random.number() < probability
  }

  /** Returns an integer from `least` to `most`, inclusive. */
  between(least: number, most: number): number {
    return least + this.random.integer(most - least + 1)
  }

  /** Returns an integer from `least` to `most`. Its logarithm is uniformly distributed, so small numbers are more frequent. */
  span(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.random.number())
  }

  pick<A>(items: readonly [A, ...ReadonlyArray<A>]): A {
    return items[this.random.integer(items.length)] ?? items[0]
  }

  /** Picks a name. Each name's weight is its probability, and `otherwise` has the remaining probability. */
  draw<Name extends string>(
    weights: Readonly<Partial<Record<Name, number>>>,
    names: ReadonlyArray<Name>,
    otherwise: Name
  ): Name {
    let left = this.random.number()
    for (const name of names) {
      left -= weights[name] ?? 0
      if (left < 0) return name
    }
    return otherwise
  }

  /** Returns a unique UUID. It starts with random digits, so that UUIDs do not sort in creation order. */
  readonly uuid = (): string => {
    const head = this.random.integer(0xffffffff).toString(16).padStart(8, "0")
    return `${head}-0000-4000-8000-${(++this.ids).toString(16).padStart(12, "0")}`
  }
}
