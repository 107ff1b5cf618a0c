import { read } from "../../src/Metrics/Exposition.ts"

/** Every series of this process and its value. */
export const readSeries = (): ReadonlyMap<string, number> =>
  new Map(
    read().flatMap(({ samples }) => samples.map(({ series, value }) => [series, value] as const))
  )

/** What was added to the series since: metrics belong to the process, so to all tests in it. */
export const addedSince = (before: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries(
    [...readSeries()]
      .filter(([series, value]) => !Object.is(value, before.get(series)))
      .map(([series, value]) => [series, rounded(value - (before.get(series) ?? 0))] as const)
      .filter(([, added]) => added !== 0)
      .map(([series, added]) => [series.replace(/^sync_scheduler_/, ""), added])
  )

/** Sums of seconds are not exact. */
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6
