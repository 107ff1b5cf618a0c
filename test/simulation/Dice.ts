import { Utils } from "effect"

/** The one source of chance of a simulated world: the same seed throws the same numbers. */
export class Dice {
  private readonly random: Utils.PCGRandom
  private ids = 0

  constructor(seed: number) {
    this.random = new Utils.PCGRandom(seed)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.random.number() < probability
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.random.integer(most - least + 1)
  }

  /** Small ones more often: the logarithm is even. */
  span(least: number, most: number): number {
    return Math.round(least * (most / least) ** this.random.number())
  }

  pick<A>(items: readonly [A, ...ReadonlyArray<A>]): A {
    return items[this.random.integer(items.length)] ?? items[0]
  }

  /** One of the names, as often as its weight says; `otherwise` for the rest of 1. */
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

  /** A uuid that sorts anywhere and never comes twice. */
  readonly uuid = (): string => {
    const head = this.random.integer(0xffffffff).toString(16).padStart(8, "0")
    return `${head}-0000-4000-8000-${(++this.ids).toString(16).padStart(12, "0")}`
  }
}
