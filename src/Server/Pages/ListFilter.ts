import { StateName } from "../../Domain/State.ts"
import { causeKey } from "../../Domain/StateCause.ts"
import type { IntegrationState } from "../../Operator/IntegrationState.ts"

/** The filter of the integration list, from the URL. */
export interface ListFilter {
  /** A part of a name or type, or an id prefix. */
  readonly query: string
  readonly state: StateName | null
  readonly type: string | null
  /** The key of a cause; null for all causes. */
  readonly cause: string | null
  /** The page number, from 1. */
  readonly page: number
}

export const NO_FILTER: ListFilter = { query: "", state: null, type: null, cause: null, page: 1 }

/** The maximum length of each part, in characters. */
const MOST = 200

/** Parses the filter in a URL. Invalid values are ignored. */
export const readFilter = (params: URLSearchParams): ListFilter => {
  const text = (name: string): string => (params.get(name) ?? "").slice(0, MOST)
  const state = text("state")
  const page = Number(text("page"))
  return {
    query: text("q"),
    state: StateName.literals.find((name) => name === state) ?? null,
    type: text("type") || null,
    cause: text("cause") || null,
    page: Number.isSafeInteger(page) && page > 0 ? page : 1
  }
}

/** Returns the path of the list with a changed filter. The path leads to the first page unless `changes` sets a page. */
export const filterPath = (filter: ListFilter, changes: Partial<ListFilter>): string => {
  const { cause, page, query, state, type } = { ...filter, page: 1, ...changes }
  const params = new URLSearchParams(
    [
      ["q", query.trim()],
      ["state", state ?? ""],
      ["type", type ?? ""],
      ["cause", cause ?? ""],
      ["page", page === 1 ? "" : String(page)]
    ].filter(([, value]) => value !== "")
  )
  return params.size === 0 ? "/" : `/?${params}`
}

export const isFiltered = ({ cause, query, state, type }: ListFilter): boolean =>
  query.trim() !== "" || state !== null || type !== null || cause !== null

const isNamed = (one: IntegrationState, words: string): boolean =>
  words === "" ||
  (one.org_name ?? "").toLowerCase().includes(words) ||
  one.integration_type.toLowerCase().includes(words) ||
  one.integration_id.startsWith(words) ||
  one.org_id.startsWith(words)

export const listed = (
  integrations: ReadonlyArray<IntegrationState>,
  { cause, query, state, type }: ListFilter
): ReadonlyArray<IntegrationState> => {
  const words = query.trim().toLowerCase()
  return integrations.filter(
    (one) =>
      (state === null || one.state === state) &&
      (type === null || one.integration_type === type) &&
      (cause === null || causeKey(one) === cause) &&
      isNamed(one, words)
  )
}
