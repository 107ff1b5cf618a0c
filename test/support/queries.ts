import { metricDefinitions } from "../../src/Metrics.ts"

/** The labels that Prometheus adds to every series. */
const ADDED = ["job", "instance"]

/** Queries use a histogram's three suffixed series, never the histogram's own name. */
const labelsByName = new Map<string, ReadonlyArray<string>>(
  metricDefinitions.flatMap((definition) => {
    const labels = [...ADDED, ...definition.labels.map(({ name }) => name)]
    const suffixes = definition.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""]
    return suffixes.map((suffix): [string, ReadonlyArray<string>] => [
      `${definition.name}${suffix}`,
      suffix === "_bucket" ? [...labels, "le"] : labels
    ])
  })
)
const boundsByName = new Map<string, ReadonlyArray<number>>(
  metricDefinitions.map(({ buckets = [], name }) => [`${name}_bucket`, buckets])
)

/** Returns the metrics, labels and buckets in the query that do not exist. */
export const faultsOfQuery = (query: string): ReadonlyArray<string> => {
  const selected = [...query.matchAll(/\b(sync_scheduler_\w+)(?:\{([^}]*)\})?/g)]
  const known = new Set(selected.flatMap(([, name = ""]) => labelsByName.get(name) ?? []))
  const grouped = [...query.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, labels = ""]) =>
    labels.split(",").map((label) => label.trim())
  )
  return [
    ...(selected.length === 0 ? ["asks for none of our metrics"] : []),
    ...selected.flatMap(([, name = "", matchers = ""]) => faultsOfSelector(name, matchers)),
    ...grouped.filter((label) => !known.has(label)).map((label) => `groups by ${label}`)
  ]
}

const faultsOfSelector = (name: string, matchers: string): ReadonlyArray<string> => {
  const labels = labelsByName.get(name)
  if (labels === undefined) return [`${name} does not exist`]
  return [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].flatMap(
    ([, label = "", value = ""]) => {
      if (!labels.includes(label)) return [`${name} has no label ${label}`]
      if (label !== "le") return []
      const bound = Number(value.replace(/\(.*$/, ""))
      return boundsByName.get(name)?.includes(bound) ? [] : [`${name} has no bucket ${value}`]
    }
  )
}

export const queriesIn = (document: unknown): ReadonlyArray<string> => {
  if (typeof document !== "object" || document === null) return []
  return Object.entries(document).flatMap(([key, value]) =>
    key === "expr" && typeof value === "string" ? [value] : queriesIn(value)
  )
}
