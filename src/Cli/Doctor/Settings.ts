import { Redacted } from "effect"
import type { Inspection } from "../../Config/Load.ts"
import { type Settings, table } from "../../Config.ts"
import * as Duration from "../../Domain/Duration.ts"
import { type CheckResult, error, ok, warning } from "./CheckResult.ts"

const SLACK = /^https:\/\/hooks\.slack(?:-gov)?\.com\//

/** The platform's time limit for a function's response, in ms. */
const PLATFORM_ANSWER_MS = 150_000
/** The platform's time limit for a function's total run time, in ms. */
const PLATFORM_WORK_MS = 400_000

/** Finds settings that are malformed, missing or unusual. `missing` lists the settings that a tick needs and that are not set. */
export const settingFindings = (
  { problems, warnings }: Inspection,
  missing: Inspection["problems"]
): ReadonlyArray<CheckResult> => {
  const wrong = [...missing, ...problems].map(({ fix, what, why }) =>
    error("settings", { code: "CONFIGURATION", what, why, fix })
  )
  const odd = warnings.map((what) =>
    warning("settings", {
      code: "SETTING_ODD",
      what,
      why: "this causes no failure, but is probably a mistake",
      fix: "See every setting and its source: sync-scheduler env"
    })
  )
  const all = [...wrong, ...odd]
  return all.length > 0 ? all : [ok("settings", "complete and valid")]
}

/** Finds settings that are individually valid but conflict with each other. */
export const contradictionsOf = (settings: Settings): ReadonlyArray<CheckResult> => {
  const { driftAlert, interval, invokeTimeout, leaseMargin, quiescence, runningGuard } = settings
  const show = (ms: number) => Duration.format(ms)
  const lease = invokeTimeout + leaseMargin
  const found = [
    invokeTimeout > quiescence &&
      error("timeouts", {
        code: "TIMEOUT_OVER_QUIESCENCE",
        what: `${table.invokeTimeout.key} (${show(invokeTimeout)}) is longer than ${table.quiescence.key} (${show(quiescence)})`,
        why: "a run that times out is retried immediately, and data is exported twice if its function is still running",
        fix: `Set ${table.quiescence.key} to more than ${show(invokeTimeout)}, and to at least the maximum run time of a function.`
      }),
    quiescence < PLATFORM_WORK_MS &&
      invokeTimeout <= quiescence &&
      warning("timeouts", {
        code: "QUIESCENCE_SHORT",
        what: `${table.quiescence.key} is ${show(quiescence)}, shorter than the time that an Edge Function can run (${show(PLATFORM_WORK_MS)} on paid plans)`,
        why: "a run whose outcome is unknown can be retried while the first attempt is still running",
        fix: `Set ${table.quiescence.key}=430s, unless no function runs that long.`
      }),
    lease > runningGuard &&
      error("timeouts", {
        code: "LEASE_OVER_GUARD",
        what: `the lease of a run (${table.invokeTimeout.key} plus ${table.leaseMargin.key}: ${show(lease)}) is longer than ${table.runningGuard.key} (${show(runningGuard)})`,
        why: "a run that its function accepted with 202 would be abandoned sooner than other runs",
        fix: `Set ${table.runningGuard.key} to more than ${show(lease)}.`
      }),
    invokeTimeout < PLATFORM_ANSWER_MS &&
      warning("timeouts", {
        code: "TIMEOUT_SHORT",
        what: `${table.invokeTimeout.key} is ${show(invokeTimeout)}, shorter than the platform's own limit of ${show(PLATFORM_ANSWER_MS)}`,
        why: "a sync that takes longer ends as unknown, although it may succeed",
        fix: `Set ${table.invokeTimeout.key}=155s, or make long syncs respond with 202.`
      }),
    interval > driftAlert &&
      warning("timeouts", {
        code: "INTERVAL_OVER_DRIFT",
        what: `${table.interval.key} (${show(interval)}) is longer than ${table.driftAlert.key} (${show(driftAlert)})`,
        why: "runs that wait for the next tick are late and raise alerts",
        fix: `Set ${table.interval.key}=60s, or raise ${table.driftAlert.key}.`
      })
  ]
  const findings = found.filter((one) => one !== false)
  return findings.length > 0
    ? findings
    : [
        ok(
          "timeouts",
          `timeout ${show(invokeTimeout)}, lease ${show(lease)}, quiescence ${show(quiescence)}, guard ${show(runningGuard)}`
        )
      ]
}

/** Checks whether problems are reported to an operator, and whether a stopped scheduler is noticed. */
export const alertFindings = (
  settings: Settings,
  state: {
    readonly unsent: number
    readonly gave_up: number
    readonly last_error: string | null
  } | null
): ReadonlyArray<CheckResult> => {
  const { alertFormat, alertWebhookSecret, alertWebhookUrl, pingUrl } = settings
  const receiver = alertWebhookUrl === null ? "" : Redacted.value(alertWebhookUrl)
  const isSlack = alertFormat === "slack" || (alertFormat === "auto" && SLACK.test(receiver))
  const found = [
    alertWebhookUrl === null &&
      warning("alerts", {
        code: "ALERTS_OFF",
        what: `${table.alertWebhookUrl.key} is not set`,
        why: "no alert is sent for failed, late or missed syncs",
        fix: "Set it to the URL of a webhook, such as a Slack incoming webhook. Then run: sync-scheduler notify test"
      }),
    alertWebhookUrl !== null &&
      alertWebhookSecret === null &&
      !isSlack &&
      warning("alerts", {
        code: "ALERTS_UNSIGNED",
        what: `${table.alertWebhookSecret.key} is not set`,
        why: "the receiver cannot verify who sent an alert",
        fix: 'Create one with: echo "whsec_$(openssl rand -base64 32)"'
      }),
    pingUrl === null &&
      warning("alerts", {
        code: "PING_OFF",
        what: `${table.pingUrl.key} is not set`,
        why: "if the scheduler stops, it cannot report that itself",
        fix: "Set it to the ping URL of Healthchecks or a similar service, or have a monitor run: sync-scheduler check"
      }),
    state !== null &&
      alertWebhookUrl !== null &&
      state.unsent + state.gave_up > 0 &&
      warning("alerts", {
        code: "ALERTS_UNSENT",
        what: `${state.unsent} alerts have waited for over 10 minutes, and ${state.gave_up} were abandoned in the last day`,
        why: `the receiver does not accept them${state.last_error === null ? "" : `: ${state.last_error}`}`,
        fix: "Test the receiver: sync-scheduler notify test"
      })
  ]
  const findings = found.filter((one) => one !== false)
  return findings.length > 0
    ? findings
    : [ok("alerts", "alerts are sent, and a dead man's switch is pinged")]
}
