import { read } from "../../src/Metrics/PrometheusText.ts"

/** Returns the value of every series of this process. */
export const readSeries = (): ReadonlyMap<string, number> =>
  new Map(
    read().flatMap(({ samples }) => samples.map(({ series, value }) => [series, value] as const))
  )

/** Returns the increase of every series since `before`. Metrics are shared by all tests of a process. */
export const addedSince = (before: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries(
    [...readSeries()]
      .filter(([series, value]) => !Object.is(value, before.get(series)))
      .map(([series, value]) => [series, rounded(value - (before.get(series) ?? 0))] as const)
      .filter(([, added]) => added !== 0)
      .map(([series, added]) => [series.replace(/^sync_scheduler_/, ""), added])
  )

/** Rounds sums of seconds, which are inexact. */
const rounded = (value: number): number => Math.round(value * 1e6) / 1e6
