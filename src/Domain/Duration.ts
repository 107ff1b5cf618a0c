import { Either } from "effect"

/** Why a setting's text is rejected, and how to correct it. The caller adds the setting's name. */
export interface DurationProblem {
  readonly why: string
  readonly fix: string
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000]
])

const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g

/** The maximum duration in milliseconds: ten years, so that sums of durations and instants remain exact integers. */
const LONGEST = 3_650 * 86_400_000

/** Parses a duration such as `250ms` or `1h30m` into whole milliseconds. Rejects a bare number, because its unit is unclear. */
export const parse = (text: string): Either.Either<number, DurationProblem> => {
  const value = text.trim().toLowerCase()
  if (!WHOLE.test(value)) {
    return Either.left(
      /^\d+(\.\d+)?$/.test(value)
        ? {
            why: "a duration needs a unit",
            fix: `Write ${value}s for seconds or ${value}m for minutes (units: ms s m h d).`
          }
        : {
            why: "it is not a duration",
            fix: "Write a number with its unit: 250ms, 90s, 15m, 36h, 7d."
          }
    )
  }
  let total = 0
  for (const [, count, unit] of value.matchAll(PART)) {
    total += Number(count) * (UNITS.get(unit ?? "") ?? 0)
  }
  return total <= LONGEST
    ? Either.right(Math.round(total))
    : Either.left({ why: "it is longer than ten years", fix: "Write a shorter duration." })
}

/** Formats a duration in at most two units: `340 ms`, `1.2 s`, `2 m 05 s`, `3 h 20 m`, `2 d 4 h`. */
export const format = (ms: number): string => {
  if (ms < 0) return `-${format(-ms)}`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const pair = (big: number, small: number, names: string, pad: number): string => {
    const [first = "", second = ""] = names.split(" ")
    const units = Math.round(ms / small)
    const whole = Math.floor(units / (big / small))
    const rest = units % (big / small)
    return rest === 0
      ? `${whole} ${first}`
      : `${whole} ${first} ${String(rest).padStart(pad, "0")} ${second}`
  }
  if (ms < 3_599_500) return pair(60_000, 1_000, "m s", 2)
  if (ms < 86_370_000) return pair(3_600_000, 60_000, "h m", 2)
  return pair(86_400_000, 3_600_000, "d h", 1)
}

/** Formats a duration without decimals: `45 s`, `12 m`, `3 h 20 m`, `2 d 4 h`. A negative duration is shown as zero. */
export const rough = (ms: number): string => {
  if (ms < 59_500) return `${Math.max(Math.round(ms / 1_000), 0)} s`
  return format(Math.round(ms / 60_000) * 60_000)
}
