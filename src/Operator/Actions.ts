import { Effect, Schema } from "effect"
import {
  pauseIntegration,
  releaseRun,
  resumeIntegration,
  retryRun,
  triggerRun
} from "../Domain/ActionRpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { format } from "../Domain/Instant.ts"
import { Supabase } from "../Services/Supabase.ts"

/** What an operator can do to a run (retry, release) or to an integration (trigger, pause, resume). */
export const ActionName = Schema.Literal("retry", "release", "trigger", "pause", "resume")
export type ActionName = typeof ActionName.Type

/** One action: on what (a run's id, or an integration's), by whom, and why. The last two are recorded with it. */
export interface Action {
  readonly action: ActionName
  readonly id: string
  readonly actor: string
  readonly reason: string
}

const Text = Schema.NullOr(Schema.String)

/**
 * What became of an action: the answer of `POST /api/...` and what the commands print with `-o json`. Refused means that
 * nothing was changed. `undo`: the command that takes it back; null: nothing does, `changed` says so.
 */
export const ActionReport = Schema.Union(
  Schema.Struct({
    done: Schema.Literal(true),
    action: ActionName,
    run_id: Text,
    integration_id: Text,
    changed: Schema.String,
    undo: Text
  }),
  Schema.Struct({
    done: Schema.Literal(false),
    action: ActionName,
    /** not_found, already_running, disabled, foreign, gone, status_is_completed, already_paused, not_paused ... */
    reason: Schema.String,
    why: Schema.String,
    fix: Schema.String
  })
)
export type ActionReport = typeof ActionReport.Type

/**
 * Does one action, once. *Fails with* SupabaseError; after `Ambiguous` it may have been done: asking again then does no
 * harm, but may be refused because it was.
 */
export const act = (action: Action): Effect.Effect<ActionReport, SupabaseError, Supabase> =>
  Effect.flatMap(perform(action), (answer) =>
    Effect.succeed(answer.done ? doneReport(action, answer) : refusal(action, answer.reason))
  ).pipe(Effect.withSpan("Operator.act", { attributes: { action: action.action } }))

/** `not_before`: when the first tick may start what was asked for (epoch ms), where that is not at once. */
interface Done {
  readonly done: true
  readonly run_id?: string
  readonly not_before?: number | null | undefined
}
type Answer = Done | { readonly done: false; readonly reason: string }

const perform = ({
  action,
  actor,
  id,
  reason
}: Action): Effect.Effect<Answer, SupabaseError, Supabase> =>
  Effect.flatMap(Supabase, (supabase): Effect.Effect<Answer, SupabaseError> => {
    const by = { p_actor: actor, p_reason: reason }
    switch (action) {
      case "retry":
        return supabase.call(retryRun, { p_run_id: id, ...by })
      case "release":
        return supabase.call(releaseRun, { p_run_id: id, ...by })
      case "trigger":
        return supabase.call(triggerRun, { p_integration_id: id, ...by })
      case "pause":
        return supabase.call(pauseIntegration, { p_integration_id: id, ...by })
      case "resume":
        return supabase.call(resumeIntegration, { p_integration_id: id, ...by })
    }
  })

const isOfRun = (action: ActionName): boolean => action === "retry" || action === "release"

const doneReport = ({ action, id }: Action, { not_before, run_id }: Done): ActionReport => ({
  done: true,
  action,
  run_id: isOfRun(action) ? id : (run_id ?? null),
  integration_id: isOfRun(action) ? null : id,
  ...CONSEQUENCES[action](id, not_before ?? null)
})

/** What an action changed, and what takes it back. A run that was sent cannot be recalled. */
const CONSEQUENCES: Readonly<
  Record<
    ActionName,
    (
      id: string,
      notBefore: number | null
    ) => { readonly changed: string; readonly undo: string | null }
  >
> = {
  retry: (_id, notBefore) => ({
    changed: `The run is pending, with one more attempt: ${startsFrom(notBefore)}. Once it is sent it cannot be recalled; until then, pausing its integration skips it.`,
    undo: null
  }),
  release: (id) => ({
    changed: `The run stays unknown, and later slots of its integration run again. That cannot be taken back; it can still be run again: sync-scheduler runs retry ${id}`,
    undo: null
  }),
  trigger: (id) => ({
    changed: `A run outside the schedule is pending: the next tick starts it. Once it is sent it cannot be recalled; until then, pausing the integration skips it: sync-scheduler schedules pause ${id}`,
    undo: null
  }),
  pause: (id) => ({
    changed:
      "No slot runs until it is resumed; what is due meanwhile is passed over, on record. A run that is under way goes on.",
    undo: `sync-scheduler schedules resume ${id}`
  }),
  resume: (id) => ({
    changed:
      "It runs from its next slot on, and its breaker is closed. Slots that passed meanwhile are not run; backfill can.",
    undo: `sync-scheduler schedules pause ${id}`
  })
}

const startsFrom = (notBefore: number | null): string =>
  notBefore === null
    ? "the next tick starts it"
    : `the first tick from ${format(notBefore)} on starts it, because until then its function may still be at work`

const refusal = ({ action, id }: Action, reason: string): ActionReport => {
  const [why, fix] = REFUSALS.get(reason) ?? statusRefusal(action, reason)
  return {
    done: false,
    action,
    reason,
    why,
    fix: (isOfRun(action) ? fix : fix.replaceAll("<integration>", id)).replaceAll("<id>", id)
  }
}

const REFUSALS: ReadonlyMap<string, readonly [why: string, fix: string]> = new Map([
  [
    "not_found",
    ["there is none with this id", "Look it up: sync-scheduler runs list, or schedules list."]
  ],
  ["gone", ["its integration was deleted", "Nothing can run for it any more."]],
  [
    "disabled",
    ["the integration is paused", "Resume it first: sync-scheduler schedules resume <integration>"]
  ],
  [
    "already_running",
    [
      "a run of the integration is not over",
      "Wait for it, or decide about it: sync-scheduler runs list --live"
    ]
  ],
  [
    "foreign",
    [
      "the run was written by somebody else, without a key of ours",
      "Use trigger for a run of our own."
    ]
  ],
  ["already_recorded", ["a run of this very instant is on record", "Ask again in a moment."]],
  [
    "already_released",
    ["it was released already", "Run it again with: sync-scheduler runs retry <id>"]
  ],
  [
    "already_paused",
    ["the integration is paused already", "See who did and why: sync-scheduler schedules show <id>"]
  ],
  [
    "not_paused",
    [
      "the integration is not paused, and its breaker is closed",
      "See how it stands: sync-scheduler schedules show <id>"
    ]
  ]
])

/** `status_is_...`: only some states can be retried or released. */
const statusRefusal = (action: ActionName, reason: string): readonly [string, string] => {
  const status = reason.replace(/^status_is_/, "")
  if (status === reason)
    return [`the database refused it: ${reason}`, "See the run or integration."]
  const allowed = action === "retry" ? "failed, skipped or unknown" : "unknown"
  return [
    `the run is ${status}, and only one that is ${allowed} can be ${action === "retry" ? "retried" : "released"}`,
    status === "completed"
      ? "A run of now is made with: sync-scheduler trigger <org> <integration>"
      : "See what happens to it: sync-scheduler runs show <id>"
  ]
}
