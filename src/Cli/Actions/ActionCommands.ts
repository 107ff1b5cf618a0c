import { Effect, Schema } from "effect"
import type { SupabaseError } from "../../Domain/Errors.ts"
import { describeInstant } from "../../Domain/Schedule/Schedule.ts"
import {
  type ActionName,
  ActionReport,
  act,
  type DoneAction,
  NO_REASON
} from "../../Operator/Actions.ts"
import { displayName } from "../../Operator/NameResolver.ts"
import type { Supabase } from "../../Services/Supabase.ts"
import type { Cli, Main } from "../Command.ts"
import { databaseError, withDatabase } from "../Database.ts"
import { CommandError, type ExitCode, usageError } from "../Failure.ts"
import { lead } from "../Listing.ts"
import { safe } from "../Style.ts"
import { runNamed, target } from "../Target.ts"
import { actorOf } from "./Actor.ts"
import type { Subject } from "./RunWait.ts"
import { WaitedReport } from "./WaitedReport.ts"

type Find = (cli: Cli) => Effect.Effect<Subject, CommandError, Supabase>

const integration: Find = ({ arguments: given }) =>
  Effect.map(target(given.positionals[0] ?? "", given.positionals[1]), (one) => ({
    id: one.integration_id,
    integrationId: one.integration_id,
    label: displayName(one)
  }))

const run: Find = ({ arguments: given }) =>
  Effect.map(runNamed(given.positionals[0] ?? ""), ({ integration: of, run: found }) => ({
    id: found.run_id,
    integrationId: found.integration_id,
    label: `the ${found.status} run of ${of === null ? found.integration_id.slice(0, 8) : displayName(of)} due ${describeInstant(found.scheduled_for, of?.timezone ?? "UTC")}`
  }))

const QUESTIONS: Readonly<Record<ActionName, (label: string) => string>> = {
  retry: (label) =>
    `Run ${label} again? If it already took effect, only its idempotency key prevents a duplicate.`,
  release: (label) =>
    `Release ${label} so that later runs can start? Its outcome will remain unknown.`,
  trigger: (label) => `Run ${label} now, outside its schedule?`,
  pause: (label) => `Pause ${label}? Runs due in the meantime are skipped.`,
  resume: (label) => `Resume ${label}, and close its breaker?`
}

const command =
  (action: ActionName, find: Find): Main =>
  (cli) =>
    Effect.gen(function* () {
      yield* requireConsent(action, cli)
      if (cli.arguments.has("wait")) {
        const { engine, waitForRun } = yield* Effect.promise(() => import("./RunWait.ts"))
        return yield* Effect.scoped(
          Effect.flatMap(engine(cli), (layer) =>
            perform(action, find, cli, waitForRun).pipe(Effect.provide(layer))
          )
        )
      }
      return yield* withDatabase(cli, () => perform(action, find, cli, print))
    })

const perform = <R>(
  action: ActionName,
  find: Find,
  cli: Cli,
  show: (report: DoneAction, subject: Subject, cli: Cli) => Effect.Effect<ExitCode, CommandError, R>
): Effect.Effect<ExitCode, CommandError, R | Supabase> =>
  Effect.gen(function* () {
    const subject = yield* find(cli)
    const reason = yield* consentTo(action, subject, cli)
    if (reason === null) {
      cli.terminal.note("Nothing was changed.")
      return 0 as const
    }
    const report = yield* Effect.mapError(
      act({ action, id: subject.id, actor: actorOf(cli), reason }),
      (error) => actionError(action, error)
    )
    return report.done
      ? yield* show(report, subject, cli)
      : yield* Effect.fail(usageError(`${action} was refused: ${report.why}`, report.fix))
  })

export const pause: Main = command("pause", integration)
export const resume: Main = command("resume", integration)
export const trigger: Main = command("trigger", integration)
export const retry: Main = command("retry", run)
export const release: Main = command("release", run)

const reasonOf = ({ arguments: given }: Cli): string => given.value("reason")?.trim() ?? ""

/** Whether `--yes` or `--reason` confirms the action. */
const isGiven = (cli: Cli): boolean => cli.arguments.has("yes") || reasonOf(cli) !== ""

const requireConsent = (action: ActionName, cli: Cli): Effect.Effect<void, CommandError> =>
  isGiven(cli) || cli.terminal.ask !== null
    ? Effect.void
    : Effect.fail(
        usageError(
          `${action} needs confirmation, but this is not a terminal`,
          "Add --yes, or give a reason: --reason '<why>'. Your name and the reason are recorded."
        )
      )

/** Returns the reason to record, or null if the person declined. */
const consentTo = (
  action: ActionName,
  { label }: Subject,
  cli: Cli
): Effect.Effect<string | null> =>
  Effect.gen(function* () {
    const { ask } = cli.terminal
    const given = reasonOf(cli)
    if (isGiven(cli) || ask === null) return given === "" ? NO_REASON : given
    const reason = yield* ask("Reason to record (optional): ")
    const answer = yield* ask(`${QUESTIONS[action](safe(label))} [y/N] `)
    return /^y(es)?$/i.test(answer ?? "") ? reason || NO_REASON : null
  })

/** If the response was lost, the action may have taken effect, so the hint says how to check. */
const actionError = (action: ActionName, error: SupabaseError): CommandError => {
  const failed = databaseError(error)
  if (error.reason !== "Ambiguous") return failed
  const [first, ...rest] = failed.errors
  const hint = `The action may have taken effect. To check: sync-scheduler ${action === "pause" || action === "resume" ? "schedules list" : "runs list --live"}.`
  return new CommandError({ exit: failed.exit, errors: [{ ...first, hint }, ...rest] })
}

/** The action's report and, with `--wait`, the finished run. */
export const json = Schema.Union(ActionReport, WaitedReport)
const encode = Schema.encodeSync(ActionReport)

const print = (report: DoneAction, { label }: Subject, { terminal }: Cli) =>
  Effect.gen(function* () {
    if (terminal.format !== "text") {
      yield* terminal.printJson(encode(report))
      return 0 as const
    }
    const lines = [
      ...lead("✓", "green", `${DONE[report.action]} ${safe(label)}. ${report.changed}`, terminal),
      ...(report.run_id === null ? [] : [`→ see it: sync-scheduler runs show ${report.run_id}`]),
      ...(report.undo === null ? [] : [`→ undo: ${report.undo}`])
    ]
    yield* terminal.print(lines.join("\n"))
    return 0 as const
  })

const DONE: Readonly<Record<ActionName, string>> = {
  retry: "Retrying",
  release: "Released",
  trigger: "Triggered",
  pause: "Paused",
  resume: "Resumed"
}
