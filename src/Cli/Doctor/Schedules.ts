import { Either } from "effect"
import type { Settings } from "../../Config.ts"
import type { Diagnosis } from "../../Database/DiagnosisRpc.ts"
import * as Duration from "../../Domain/Duration.ts"
import * as Schedule from "../../Domain/Schedule/Schedule.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"

/** The maximum number of schedules to list. The rest are counted. */
const MOST = 20

/** Finds invalid schedules and time zones, with the integrations that use them. */
export const scheduleFindings = (diagnosis: Diagnosis): ReadonlyArray<CheckResult> => {
  const { integrations, refused, schedules } = diagnosis
  if (integrations === null || integrations === undefined) return []
  const inOrder = (schedules ?? []).toSorted(
    (a, b) => b.count - a.count || (a.ids[0] ?? "").localeCompare(b.ids[0] ?? "")
  )
  const wrong = inOrder.flatMap(({ count, ids, schedule, timezone }) =>
    Either.match(Schedule.parse(schedule, timezone), {
      onRight: () => [],
      onLeft: ({ detail, hint, reason }) => [
        error("schedules", {
          code: reason === "Timezone" ? "TIMEZONE_INVALID" : "SCHEDULE_INVALID",
          what: `${named(ids, count)}: ${detail}`,
          why:
            count === 1
              ? "the integration does not run until its row is edited"
              : "the integrations do not run until their rows are edited",
          fix: fixOf(reason, hint, ids[0] ?? "")
        })
      ]
    })
  )
  const known = new Set(wrong.flatMap(({ what }) => what.match(UUID) ?? []))
  const stuck = (refused ?? [])
    .filter(({ id }) => !known.has(id))
    .filter(({ schedule, timezone }) => Either.isRight(Schedule.parse(schedule ?? "", timezone)))
    .map(({ id, schedule, why }) =>
      error("schedules", {
        code: "SCHEDULE_REFUSED",
        what: `an engine rejected the schedule "${schedule ?? ""}" of integration ${id}: ${why}`,
        why: "this version can compute the schedule, but the integration does not run until its row is edited",
        fix: `update public.organization_integrations set schedule_error = null where id = '${id}';`
      })
    )
  const odd = [
    integrations.enabled === 0 &&
      warning("schedules", {
        code: "NOTHING_ENABLED",
        what: `no integration is enabled (${integrations.disabled} paused, ${integrations.undecided} undecided)`,
        why: "there is nothing to run",
        fix:
          integrations.disabled > 0
            ? "sync-scheduler schedules resume <org> [integration]"
            : integrations.undecided > 0
              ? DECIDE
              : "insert into public.organization_integrations (org_id, integration_type, sync_schedule, timezone) values ('<uuid>', 'xledger', '0 2 * * 1-5', 'Europe/Oslo');"
      }),
    integrations.undecided > 0 &&
      error("schedules", {
        code: "ENABLED_NULL",
        what: `${counted(integrations.undecided)} enabled = null`,
        why: "they never run, although they are not paused",
        fix: DECIDE
      }),
    integrations.zoneless > 0 &&
      warning("schedules", {
        code: "TIMEZONE_NULL",
        what: `${counted(integrations.zoneless)} no time zone`,
        why: "their schedules are interpreted in UTC: 02:00 is 03:00 or 04:00 in Oslo",
        fix: "update public.organization_integrations set timezone = 'Europe/Oslo' where timezone is null;"
      }),
    integrations.unscheduled > 0 &&
      warning("schedules", {
        code: "SCHEDULE_EMPTY",
        what: `${integrations.unscheduled} enabled integrations have no schedule`,
        why: "they run only when triggered manually",
        fix: "select id, org_id, integration_type from public.organization_integrations where enabled and sync_schedule is null;"
      })
  ].filter((one) => one !== false)
  const all = [...wrong, ...stuck]
  const listed = [
    ...all.slice(0, MOST),
    ...all
      .slice(MOST, MOST + 1)
      .map((one) => ({ ...one, what: `${all.length - MOST} more, such as ${one.what}` })),
    ...odd
  ]
  return listed.length > 0
    ? listed
    : [
        ok(
          "schedules",
          `${integrations.enabled} enabled integrations; all of their schedules can be computed`
        )
      ]
}

const DECIDE =
  "update public.organization_integrations set enabled = true where enabled is null;\nalter table public.organization_integrations alter column enabled set default true, alter column enabled set not null;"

const counted = (count: number): string =>
  count === 1 ? "1 integration has" : `${count} integrations have`

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

const named = (ids: ReadonlyArray<string>, count: number): string =>
  count === 1
    ? `integration ${ids[0] ?? "?"}`
    : `${count} integrations, such as ${ids.slice(0, 2).join(" and ")}`

const fixOf = (reason: string, hint: string, id: string): string => {
  const column = reason === "Timezone" ? "timezone = 'Europe/Oslo'" : "sync_schedule = '<cron>'"
  const sql = `update public.organization_integrations set ${column} where id = '${id}';`
  return hint === "" ? sql : `${hint}\n${sql}`
}

/** Finds integrations whose own timeout conflicts with the settings. */
export const timeoutFindings = (
  { policies }: Diagnosis,
  settings: Settings
): ReadonlyArray<CheckResult> =>
  (policies ?? []).flatMap(({ count, ids, invoke_timeout_ms: timeout, on_unknown }) => {
    if (timeout === null) return []
    const lease = timeout + settings.leaseMargin
    const who = named(ids, count)
    const show = Duration.format
    if (timeout > settings.quiescence && on_unknown !== "hold") {
      return [
        error("timeouts", {
          code: "TIMEOUT_OVER_QUIESCENCE",
          what: `${who}: invoke_timeout is ${show(timeout)}, longer than SYNC_SCHEDULER_QUIESCENCE (${show(settings.quiescence)})`,
          why: "a run that times out is retried immediately, and data is exported twice if its function is still running",
          fix: `Raise SYNC_SCHEDULER_QUIESCENCE above ${show(timeout)}, or update public.organization_integrations set on_unknown = 'hold' where id = '${ids[0] ?? ""}';`
        })
      ]
    }
    return lease > settings.runningGuard
      ? [
          error("timeouts", {
            code: "LEASE_OVER_GUARD",
            what: `${who}: its lease (invoke_timeout plus SYNC_SCHEDULER_LEASE_MARGIN: ${show(lease)}) is longer than SYNC_SCHEDULER_RUNNING_GUARD (${show(settings.runningGuard)})`,
            why: "a run that its function accepted with 202 would be abandoned sooner than other runs",
            fix: `Raise SYNC_SCHEDULER_RUNNING_GUARD above ${show(lease)}, or shorten invoke_timeout.`
          })
        ]
      : []
  })
