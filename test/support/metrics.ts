import { read } from "../../src/Metrics/PrometheusText.ts"

export const readSeries = (): ReadonlyMap<string, number> =>
  new Map(
    read().flatMap(({ samples }) => samples.map(({ series, value }) => [series, value] as const))
  )

/** All tests in a process share the same metrics. */
export const addedSince = (before: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries(
    [...readSeries()]
      .filter(([series, value]) => !Object.is(value, before.get(series)))
      .map(([series, value]) => [series, rounded(value - (before.get(series) ?? 0))] as const)
      .filter(([, added]) => added !== 0)
      .map(([series, added]) => [series.replace(/^sync_scheduler_/, ""), added])
  )

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6
