/** Returns the number of insertions, deletions, substitutions, and swaps of adjacent letters between two words. */
export const distance = (from: string, to: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current: Array<number> = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      const swapped =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1]
      current.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
    beforeLast = last
    last = current
  }
  return last[to.length] ?? 0
}

/**
 * Returns the known word closest to `typed`, if any. The edit distance must be at most a third of the word's length, unless the
 * word starts with `typed`.
 */
export const closestMatch = (typed: string, known: ReadonlyArray<string>): string | undefined => {
  if (typed.length === 0 || typed.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const word of known) {
    const edits = typed.length > 1 && word.startsWith(typed) ? 1 : distance(typed, word)
    if (edits < bestDistance && edits <= Math.max(1, Math.floor(word.length / 3))) {
      best = word
      bestDistance = edits
    }
  }
  return best
}
