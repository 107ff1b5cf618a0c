import * as Duration from "../Domain/Duration.ts"
import type { SchedulerHealth } from "../Domain/SchedulerHealth.ts"
import { APPEARANCE, StateName } from "../Domain/State.ts"
import type { CauseGroup } from "./CauseGroup.ts"
import type { IntegrationState } from "./IntegrationState.ts"

interface Seen {
  readonly counts: Counts
  readonly causes: ReadonlyArray<CauseGroup>
  readonly integrations: ReadonlyArray<Pick<IntegrationState, "last_completed_slot">>
  readonly unreadable: ReadonlyArray<unknown>
}
type Counts = Readonly<Record<StateName, number>>

const MAX_MESSAGE = 120

const count = (value: number): string => value.toLocaleString("en-US")

/**
 * Returns text such as `0 of 1,000 have completed a run yet`. Returns null if an integration has a completed run that retention
 * has not deleted.
 */
export const noneCompleted = (
  integrations: ReadonlyArray<Pick<IntegrationState, "last_completed_slot">>
): string | null => {
  if (integrations.length === 0) return "no integrations"
  return integrations.some(({ last_completed_slot }) => last_completed_slot !== null)
    ? null
    : `0 of ${count(integrations.length)} have completed a run yet`
}

/** Returns `1 overdue, 2 failing, 409 on time`, or `200 of 1,000 are being retried: ...` if there is only one cause. */
export const headlineOf = (seen: Seen): string => {
  const { causes, counts, integrations, unreadable } = seen
  const total = integrations.length
  const none = noneCompleted(integrations)
  if (unreadable.length === 0 && total === 0) return none ?? ""
  const parts: Array<string> = []
  if (unreadable.length > 0) parts.push(`${count(unreadable.length)} unreadable`)
  if (none !== null) parts.push(none)
  const [cause, ...others] = causes
  if (cause !== undefined && others.length === 0) {
    parts.push(causeSentence(cause, none === null ? ` of ${count(total)}` : ""))
  } else if (total > 0 && counts.on_time === total)
    parts.push(total === 1 ? "on time" : `all ${count(total)} on time`)
  else if (total > 0) parts.push(countsOf(counts).join(", "))
  return parts.join("; ")
}

const countsOf = (counts: Counts): ReadonlyArray<string> =>
  StateName.literals
    .filter((name) => counts[name] > 0)
    .map((name) => `${count(counts[name])} ${APPEARANCE[name].word}`)

const causeSentence = (
  { code, count: n, message, state, word }: CauseGroup,
  of: string
): string => {
  const being = state === "retrying" ? `${n === 1 ? "is" : "are"} being retried` : word
  const why = (message ?? code ?? "").slice(0, MAX_MESSAGE)
  return `${count(n)}${of} ${being}${why === "" ? "" : `: ${why}`}`
}

/** Returns `last tick 4 s ago, took 1.9 s, 12 due, by web-1-77-0c1f`. */
export const heartbeatLine = (
  { last_activity_at, last_tick, verdict }: SchedulerHealth,
  now: number
): string => {
  if (last_tick === null) return "no engine has ticked yet"
  const { due, engine_id, finished_at, started_at } = last_tick
  const came =
    finished_at === null
      ? "not finished"
      : `took ${Duration.format(finished_at - started_at)}, ${due === 0 ? "nothing was due" : `${due} due`}`
  const last = `last tick ${Duration.rough(now - started_at)} ago, ${came}, by ${engine_id}`
  if (verdict === "ticking") return last
  return `ticks have stopped: no sign of life for ${Duration.rough(now - (last_activity_at ?? started_at))}; ${last}`
}
