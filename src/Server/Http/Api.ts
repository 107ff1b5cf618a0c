import {
  HttpApi,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpApiMiddleware,
  HttpApiSchema,
  OpenApi
} from "@effect/platform"
import { Schema } from "effect"
import { Instant } from "../../Domain/Instant.ts"
import { RunStatus } from "../../Domain/Run.ts"
import { type ActionName, ActionReport } from "../../Operator/Actions.ts"
import { DailyStats, Figures } from "../../Operator/DailyStats.ts"
import { Explanation } from "../../Operator/Explanation.ts"
import { IntegrationState } from "../../Operator/IntegrationState.ts"
import { Overview } from "../../Operator/Overview.ts"
import { RunsPage } from "../../Operator/Runs.ts"
import { VERSION } from "../../Version.ts"
import { BadRequest, Forbidden, NotFound, Unauthorized, Unavailable } from "./HttpError.ts"
import { RunResponse } from "./RunResponse.ts"

/** The HTTP API of `serve`. It uses the schemas of the command line's `-o json`, and is the source of the OpenAPI document. */

const text = (description: string, maxLength: number) =>
  Schema.String.pipe(Schema.maxLength(maxLength)).annotations({ description })

const Ids = Schema.compose(
  Schema.split(","),
  Schema.Array(Schema.UUID).pipe(Schema.minItems(1), Schema.maxItems(100))
).annotations({ description: "UUIDs of integrations, separated by commas; at most 100" })
const Statuses = Schema.compose(Schema.split(","), Schema.Array(RunStatus)).annotations({
  description: "Statuses of runs, separated by commas"
})
const integer = (from: number, to: number, description: string) =>
  Schema.NumberFromString.pipe(Schema.int(), Schema.between(from, to)).annotations({ description })

const scope = {
  org: Schema.optional(Schema.UUID),
  integration: Schema.optional(Ids)
}

const filter = {
  ...scope,
  type: Schema.optional(text("An integration type", 200)),
  search: Schema.optional(text("Part of an organisation's name or of a type, or an id prefix", 200))
}

const reading = HttpApiGroup.make("reading")
  .add(
    HttpApiEndpoint.get("status", "/api/status")
      .annotate(OpenApi.Summary, "Status of the scheduler and its integrations, worst first")
      .setUrlParams(Schema.Struct(filter))
      .addSuccess(Overview)
  )
  .add(
    HttpApiEndpoint.get("explain", "/api/explain")
      .annotate(OpenApi.Summary, "Whether integrations ran and why; at most 20 integrations")
      .setUrlParams(
        Schema.Struct({
          ...scope,
          on: Schema.optional(
            Schema.String.pipe(Schema.pattern(/^\d{4}-\d{2}-\d{2}$/)).annotations({
              description:
                "A day in the integration's own time zone; by default the period since the start of yesterday"
            })
          )
        })
      )
      .addSuccess(
        Schema.Struct({
          now: Instant,
          explanations: Schema.Array(Explanation),
          /** The number of matching integrations that are not explained. */
          more: Schema.Int
        })
      )
  )
  .add(
    HttpApiEndpoint.get("schedules", "/api/schedules")
      .annotate(OpenApi.Summary, "All integrations with their schedules and statuses")
      .setUrlParams(Schema.Struct(filter))
      .addSuccess(Overview.pick("now", "total", "integrations", "unreadable", "truncated"))
  )
  .add(
    HttpApiEndpoint.get("schedule", "/api/schedules/:id")
      .annotate(OpenApi.Summary, "One integration with its settings and status")
      .setPath(Schema.Struct({ id: Schema.UUID }))
      .addSuccess(IntegrationState)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("runs", "/api/runs")
      .annotate(OpenApi.Summary, "Runs, newest slot first, in pages")
      .setUrlParams(
        Schema.Struct({
          ...scope,
          since: Schema.optional(Instant),
          until: Schema.optional(Instant),
          status: Schema.optional(Statuses),
          late_ms: Schema.optional(
            integer(0, 86_400_000, "Only runs that started more than this many milliseconds late")
          ),
          limit: Schema.optional(integer(1, 1_000, "Maximum number of runs; 100 by default")),
          cursor: Schema.optional(text("Cursor from the previous page", 500))
        })
      )
      .addSuccess(RunsPage)
  )
  .add(
    HttpApiEndpoint.get("run", "/api/runs/:id")
      .annotate(OpenApi.Summary, "One run with all its events")
      .setPath(Schema.Struct({ id: Schema.UUID }))
      .addSuccess(RunResponse)
      .addError(NotFound)
  )
  .add(
    HttpApiEndpoint.get("activity", "/api/activity")
      .annotate(OpenApi.Summary, "Recent runs of several integrations, in compact form")
      .setUrlParams(
        Schema.Struct({
          integration: Ids,
          from: Schema.optional(Instant),
          to: Schema.optional(Instant),
          runs_each: Schema.optional(
            integer(
              1,
              2_000,
              "Maximum number of runs per integration, newest first; 100 by default"
            )
          )
        })
      )
      .addSuccess(DailyStats)
  )
  .add(
    HttpApiEndpoint.get("figures", "/api/figures")
      .annotate(OpenApi.Summary, "Start lag for the last day, and statistics for earlier days")
      .setUrlParams(
        Schema.Struct({
          integration: Schema.optional(Schema.UUID),
          days: Schema.optional(integer(1, 400, "90 by default"))
        })
      )
      .addSuccess(Figures)
  )
  .addError(Unauthorized)
  .addError(Unavailable)

const REASON = "it is empty or longer than 500 characters"

export const Act = Schema.Struct({
  reason: Schema.Trim.pipe(
    Schema.minLength(1, { message: () => REASON }),
    Schema.maxLength(500, { message: () => REASON })
  ),
  actor: Schema.optional(Schema.Trim.pipe(Schema.minLength(1), Schema.maxLength(80)))
})

const [reported, notDone] = ActionReport.members
const Done = reported.annotations({ identifier: "Done" })

const refused = <A extends string>(status: number, title: string, reason: Schema.Schema<A>) =>
  Schema.Struct({ ...notDone.fields, reason }).annotations({
    identifier: title,
    ...HttpApiSchema.annotations({ status })
  })

const RefusedUnknown = refused(404, "RefusedNotFound", Schema.Literal("not_found"))
const Refused = refused(409, "Refused", Schema.String)

/** Allows only requests with the admin token or from this server's own forms. */
export class OperatorOnly extends HttpApiMiddleware.Tag<OperatorOnly>()(
  "@sync-scheduler/OperatorOnly",
  { failure: Forbidden }
) {}

const action = <const Name extends ActionName>(
  name: Name,
  kind: "integrations" | "runs",
  summary: string
) =>
  HttpApiEndpoint.post(name, `/api/${kind}/:id/${name}`)
    .annotate(OpenApi.Summary, summary)
    .setPath(Schema.Struct({ id: Schema.UUID }))
    .setPayload(Act)
    .addSuccess(Done)
    .addError(RefusedUnknown)
    .addError(Refused)

const acting = HttpApiGroup.make("acting")
  .add(action("trigger", "integrations", "Request a run outside the schedule"))
  .add(
    action(
      "pause",
      "integrations",
      "Pause an integration; its slots are skipped and recorded until it is resumed"
    )
  )
  .add(action("resume", "integrations", "Resume an integration from its next slot"))
  .add(action("retry", "runs", "Retry a failed, skipped or unknown run once"))
  .add(action("release", "runs", "Release an unknown run so that later slots can run"))
  .middleware(OperatorOnly)
  .addError(Unauthorized)
  .addError(Unavailable)
  .annotate(
    OpenApi.Description,
    "Actions require that serve was started with --allow-actions and an admin token, and that the request sends this token."
  )

export const Api = HttpApi.make("sync-scheduler")
  .add(reading)
  .add(acting)
  .addError(BadRequest)
  .annotateContext(
    OpenApi.annotations({
      title: "Sync Scheduler",
      version: VERSION,
      description:
        "The schemas match the command line's -o json output. Instants are ISO 8601 in UTC. New versions may add fields but never remove them."
    })
  )
