import { HttpApiBuilder } from "@effect/platform"
import { Effect, Schema } from "effect"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { tickError } from "../../Engine/SummaryBuilder.ts"
import { activityOf } from "../../Operator/DailyStats.ts"
import { explain } from "../../Operator/Explanation.ts"
import { listRuns, showRun } from "../../Operator/Runs.ts"
import { Api } from "./Api.ts"
import { type BadRequest, type NotFound, Unavailable } from "./HttpError.ts"
import { dayWindow } from "./OrgLookup.ts"
import type { QueryCache } from "./QueryCache.ts"

export const queryHandlers = (views: QueryCache) =>
  HttpApiBuilder.group(Api, "reading", (handlers) =>
    handlers
      .handle("status", ({ urlParams }) => orUnavailable(views.overview(optionsOf(urlParams))))
      .handle("schedules", ({ urlParams }) => orUnavailable(views.overview(optionsOf(urlParams))))
      .handle("schedule", ({ path: { id } }) =>
        Effect.flatMap(orUnavailable(views.overview({ integrationIds: [id] })), (seen) => {
          const [one] = seen.integrations
          return one === undefined ? Effect.fail(noIntegration) : Effect.succeed(one)
        })
      )
      .handle("explain", ({ urlParams }) => orUnavailable(explaining(urlParams, views)))
      .handle("runs", ({ urlParams }) =>
        orUnavailable(
          views.read(
            listRuns({
              since: urlParams.since,
              until: urlParams.until,
              statuses: urlParams.status,
              lateMs: urlParams.late_ms,
              orgId: urlParams.org,
              integrationIds: urlParams.integration,
              limit: urlParams.limit,
              cursor: urlParams.cursor
            })
          )
        )
      )
      .handle("run", ({ path: { id } }) =>
        Effect.flatMap(orUnavailable(views.read(showRun(id))), ({ candidates: _, run, ...rest }) =>
          run === null ? Effect.fail(noRun) : Effect.succeed({ ...rest, run })
        )
      )
      .handle("activity", ({ urlParams: { from, integration, runs_each, to } }) =>
        orUnavailable(
          views.read(
            activityOf(integration, {
              ...(from === undefined ? {} : { from }),
              ...(to === undefined ? {} : { to }),
              ...(runs_each === undefined ? {} : { runsEach: runs_each })
            })
          )
        )
      )
      .handle("figures", ({ urlParams: { days, integration } }) =>
        orUnavailable(views.figures(integration, days))
      )
  )

const isCode = Schema.is(Unavailable.to.fields.code)

/** The maximum number of integrations per response. */
const MAX_EXPLAINED = 20

const explaining = (
  {
    integration,
    on,
    org
  }: Pick<Filter, "integration" | "org"> & { readonly on?: string | undefined },
  views: QueryCache
) =>
  Effect.gen(function* () {
    const { integrations, now } = yield* views.overview({ orgId: org, integrationIds: integration })
    const explanations = yield* Effect.forEach(
      integrations.slice(0, MAX_EXPLAINED),
      ({ integration_id: integrationId, timezone }) => {
        const { from, to } = dayWindow(on ?? null, timezone, now)
        const { driftAlertMs } = views
        return views.read(explain({ integrationId, from, to, driftAlertMs }))
      },
      { concurrency: "unbounded" }
    )
    return { now, explanations, more: Math.max(integrations.length - MAX_EXPLAINED, 0) }
  })

interface Filter {
  readonly org?: string | undefined
  readonly integration?: ReadonlyArray<string> | undefined
  readonly type?: string | undefined
  readonly search?: string | undefined
}

const optionsOf = (params: Filter) => ({
  orgId: params.org,
  integrationIds: params.integration,
  integrationType: params.type,
  search: params.search
})

/** Converts a database error to an API error. The status is 400 if the database rejected the call, and otherwise 503. */
export const orUnavailable = <A, R>(
  effect: Effect.Effect<A, SupabaseError, R>
): Effect.Effect<A, typeof Unavailable.Type | typeof BadRequest.Type, R> =>
  Effect.mapError(effect, (error) => {
    const { code, hint, message } = tickError(error)
    return error.reason === "Rejected"
      ? { status: 400, code: "USAGE", message, hint: "Correct the request." }
      : { status: 503, code: isCode(code) ? code : "UNEXPECTED_ANSWER", message, hint }
  })

const noRun: typeof NotFound.Type = {
  status: 404,
  code: "NOT_FOUND",
  message: "No run has this id",
  hint: "List runs with GET /api/runs. Retention deletes old runs."
}

const noIntegration: typeof NotFound.Type = {
  status: 404,
  code: "NOT_FOUND",
  message: "No integration has this id",
  hint: "List integrations with GET /api/schedules."
}
