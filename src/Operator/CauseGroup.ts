import { Schema } from "effect"
import { Instant } from "../Domain/Instant.ts"
import { reasonOf } from "../Domain/RunReason.ts"
import { APPEARANCE, Severity, StateName } from "../Domain/State.ts"
import { causeCode, causeKey, causingRun, retryableRun } from "../Domain/StateCause.ts"
import type { IntegrationState } from "./IntegrationState.ts"

/** Integrations of one type that need attention for the same reason. */
export const CauseGroup = Schema.Struct({
  /** The identifier of the cause, stable across requests: `failing/xledger/TOKEN_EXPIRED`. */
  key: Schema.String,
  integration_type: Schema.String,
  state: StateName,
  word: Schema.String,
  symbol: Schema.String,
  severity: Severity,
  /** The shared error code; null if the state alone is the cause. */
  code: Schema.NullOr(Schema.String),
  /** The reason, in its most frequent wording. */
  message: Schema.NullOr(Schema.String),
  count: Schema.Int,
  /** When the first of these integrations entered the state. */
  since: Schema.NullOr(Instant),
  /** The total number of attempts that did not complete. Only for the state `retrying`. */
  attempts: Schema.Int,
  /** The number of integrations with a failed run that an operator can retry. */
  retryable: Schema.Int,
  /** Null unless the group has exactly one integration. */
  integration_id: Schema.NullOr(Schema.String),
  /** The name of the cause: `xledger: 200 × TOKEN_EXPIRED`. */
  label: Schema.String
})
export type CauseGroup = typeof CauseGroup.Type

/**
 * Groups the integrations that need attention by cause. Sorts the groups by state, worst first, then by size. The integrations
 * must be sorted worst first.
 */
export const causeGroups = (
  integrations: ReadonlyArray<IntegrationState>
): ReadonlyArray<CauseGroup> => {
  const groups = new Map<string, Array<IntegrationState>>()
  for (const one of integrations) {
    const key = causeKey(one)
    if (key === null) continue
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  const causes = [...groups].flatMap(([key, members]) => causeOf(key, members))
  const rank = ({ state }: CauseGroup): number => StateName.literals.indexOf(state)
  return causes.toSorted(
    (a, b) => rank(a) - rank(b) || b.count - a.count || (a.key < b.key ? -1 : 1)
  )
}

const causeOf = (
  key: string,
  members: ReadonlyArray<IntegrationState>
): ReadonlyArray<CauseGroup> => {
  const [first] = members
  if (first === undefined) return []
  const { integration_type, state } = first
  const code = causeCode(first)
  const count = members.length
  const times = members.flatMap(({ since }) => (since === null ? [] : [since]))
  const what = code ?? APPEARANCE[state].word
  return [
    {
      key,
      integration_type,
      state,
      ...APPEARANCE[state],
      code,
      message: commonest(members.flatMap((one) => messageOf(one) ?? [])),
      count,
      since: times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b)),
      attempts: members.reduce((sum, one) => sum + refusedAttempts(one), 0),
      retryable: members.filter((one) => retryableRun(one) !== null).length,
      integration_id: count === 1 ? first.integration_id : null,
      label: `${integration_type}: ${count === 1 ? "" : `${count.toLocaleString("en-US")} × `}${what}`
    }
  ]
}

/** Returns the number of attempts before the running or pending attempt. */
const refusedAttempts = ({ live_run, state }: IntegrationState): number => {
  if (state !== "retrying" || live_run === null) return 0
  return live_run.status === "running" ? live_run.attempt - 1 : live_run.attempt
}

const messageOf = (one: IntegrationState): string | null => {
  if (one.state === "invalid_schedule") return one.schedule_error
  const run = causingRun(one)
  return run === null ? null : reasonOf(run) || null
}

const commonest = (messages: ReadonlyArray<string>): string | null => {
  const counts = new Map<string, number>()
  for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1)
  let most: string | null = null
  for (const [message, n] of counts) if (n > (counts.get(most ?? "") ?? 0)) most = message
  return most
}
