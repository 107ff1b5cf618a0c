import { Effect, Schema } from "effect"
import {
  pauseIntegration,
  releaseRun,
  resumeIntegration,
  retryRun,
  triggerRun
} from "../Database/ActionRpc.ts"
import type { SupabaseError } from "../Domain/Errors.ts"
import { format } from "../Domain/Instant.ts"
import { Supabase } from "../Services/Supabase.ts"

/** An operator's actions on a run (retry, release) or on an integration (trigger, pause, resume). */
export const ActionName = Schema.Literal("retry", "release", "trigger", "pause", "resume")
export type ActionName = typeof ActionName.Type

/** `id` is the id of a run or an integration. The actor and the reason are recorded. */
export interface Action {
  readonly action: ActionName
  readonly id: string
  readonly actor: string
  readonly reason: string
}

/** The reason that is recorded if the operator gives none. */
export const NO_REASON = "no reason given"

const Text = Schema.NullOr(Schema.String)

/** The response of `POST /api/...` and the output of `-o json`. If `done` is false, nothing was changed. */
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
    /** A code, such as not_found, already_running, disabled, foreign, gone, status_is_completed, already_paused or not_paused. */
    reason: Schema.String,
    why: Schema.String,
    fix: Schema.String
  })
)
export type ActionReport = typeof ActionReport.Type
export type DoneAction = Extract<ActionReport, { readonly done: true }>

/** Performs one action, without retries. *Fails with* SupabaseError. After an `Ambiguous` error, the action can be repeated. */
export const act = (action: Action): Effect.Effect<ActionReport, SupabaseError, Supabase> =>
  Effect.flatMap(perform(action), (answer) =>
    Effect.succeed(answer.done ? doneReport(action, answer) : refusal(action, answer.reason))
  ).pipe(Effect.withSpan("Operator.act", { attributes: { action: action.action } }))

/** `not_before` is the earliest start, in epoch milliseconds; absent if the run can start immediately. */
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

/** The effect of each action, and the command that reverts it. */
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
    changed: `Queued with one more attempt: ${startsFrom(notBefore)}. To cancel before that, pause its integration.`,
    undo: null
  }),
  release: (id) => ({
    changed: `Its outcome stays unknown, and later runs of its integration can start. To retry it anyway: sync-scheduler runs retry ${id}`,
    undo: null
  }),
  trigger: (id) => ({
    changed: `Queued: it starts with the next tick. To cancel before that: sync-scheduler schedules pause ${id}`,
    undo: null
  }),
  pause: (id) => ({
    changed:
      "It won't run until you resume it. Runs due in the meantime are skipped and recorded. A run in progress will finish.",
    undo: `sync-scheduler schedules resume ${id}`
  }),
  resume: (id) => ({
    changed:
      "It runs again from its next slot, and its breaker is closed. Skipped runs stay skipped; to run them, use backfill.",
    undo: `sync-scheduler schedules pause ${id}`
  })
}

const startsFrom = (notBefore: number | null): string =>
  notBefore === null
    ? "it starts with the next tick"
    : `it starts at ${format(notBefore)}, because its function may still be running until then`

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
    [
      "no run or integration has this id",
      "Find the id: sync-scheduler runs list, or sync-scheduler schedules list."
    ]
  ],
  ["gone", ["its integration was deleted", "It can no longer run."]],
  [
    "disabled",
    ["the integration is paused", "Resume it first: sync-scheduler schedules resume <integration>"]
  ],
  [
    "already_running",
    [
      "a run of the integration is in progress or on hold",
      "See it: sync-scheduler runs list --live"
    ]
  ],
  [
    "foreign",
    [
      "another program wrote the run, without an idempotency key",
      "Start a new run: sync-scheduler trigger <org> <integration>"
    ]
  ],
  ["already_recorded", ["a run for this instant already exists", "Try again in a moment."]],
  [
    "already_released",
    ["it was already released", "Run it again with: sync-scheduler runs retry <id>"]
  ],
  [
    "already_paused",
    ["the integration is already paused", "See who paused it and why: sync-scheduler explain <id>"]
  ],
  [
    "not_paused",
    [
      "the integration is not paused, and its breaker is closed",
      "See its state: sync-scheduler schedules show <id>"
    ]
  ]
])

/** Explains `status_is_...`: the run's status does not allow the action. */
const statusRefusal = (action: ActionName, reason: string): readonly [string, string] => {
  const status = reason.replace(/^status_is_/, "")
  if (status === reason)
    return [`the database rejected the action: ${reason}`, "Check the run or the integration."]
  const allowed = action === "retry" ? "failed, skipped or unknown" : "unknown"
  return [
    `the run is ${status}, and only a run that is ${allowed} can be ${action === "retry" ? "retried" : "released"}`,
    status === "completed"
      ? "Start a new run: sync-scheduler trigger <org> <integration>"
      : "See it: sync-scheduler runs show <id>"
  ]
}
