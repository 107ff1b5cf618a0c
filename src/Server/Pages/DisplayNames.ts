import type { IntegrationStatus } from "../../Domain/IntegrationStatus.ts"
import type { StateName } from "../../Domain/State.ts"
import { clip, type Html, html } from "./Html.ts"
import { mark } from "./StateMark.ts"

/** The length at which names are clipped, in characters. */
const MAX_NAME = 72

/** Returns an organisation's name, or the first characters of its id. */
export const orgName = ({
  org_id,
  org_name
}: Pick<IntegrationStatus, "org_id" | "org_name">): Html => {
  const name = org_name?.trim() ?? ""
  return name === ""
    ? html`<span class="code">${org_id.slice(0, 8)}</span>`
    : html`<bdi>${clip(name, MAX_NAME)}</bdi>`
}

/** Returns `orgName` as plain text. */
export const orgText = ({
  org_id,
  org_name
}: Pick<IntegrationStatus, "org_id" | "org_name">): string => {
  const name = org_name?.trim() ?? ""
  return name === "" ? org_id.slice(0, 8) : clip(name, MAX_NAME)
}

export const typeName = (type: string | null): Html =>
  html`<bdi>${clip(type ?? "unknown type", MAX_NAME)}</bdi>`

export const orgPath = (orgId: string): string => `/org/${encodeURIComponent(orgId)}`
export const runPath = (runId: string): string => `/run/${encodeURIComponent(runId)}`

export const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

export const stateMark = (state: StateName, word: string): Html => mark(state, capital(word))

/** Formats a number and its noun: `1 run`, `1,204 runs`. */
export const countOf = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`
