import { Effect, Schema } from "effect"
import type { SupabaseError } from "../Domain/Errors.ts"
import { type ActionName, ActionReport, act } from "../Operator/Actions.ts"
import { labelOf } from "../Operator/Naming.ts"
import { showRun } from "../Operator/Runs.ts"
import type { Supabase } from "../Services/Supabase.ts"
import { actorOf } from "./Actor.ts"
import type { Cli, Main } from "./Command.ts"
import { databaseError, withDatabase } from "./Database.ts"
import { CommandError, usageError } from "./Failure.ts"
import { prose } from "./Listing.ts"
import { showInstant } from "./Report.ts"
import { safe } from "./Style.ts"
import { target } from "./Target.ts"

/** What an action is done to: its id, and what people call it. */
interface Subject {
  readonly id: string
  readonly label: string
}

type Find = (cli: Cli) => Effect.Effect<Subject, CommandError, Supabase>

/** The integration that the words after the command name. */
const integration: Find = ({ arguments: given }) =>
  Effect.map(target(given.positionals[0] ?? "", given.positionals[1]), (one) => ({
    id: one.integration_id,
    label: labelOf(one)
  }))

/** The run whose id, or the beginning of it, stands after the command. */
export const runNamed = (given: string) =>
  Effect.flatMap(Effect.mapError(showRun(given), databaseError), (detail) => {
    const { candidates, run } = detail
    if (run !== null) return Effect.succeed({ ...detail, run })
    return Effect.fail(
      candidates.length > 1
        ? usageError(
            `"${given}" could be ${candidates.length} runs`,
            `Write more of it: ${candidates.join(", ")}`
          )
        : usageError(`there is no run "${given}"`, "See what there is: sync-scheduler runs list")
    )
  })

const run: Find = ({ arguments: given }) =>
  Effect.map(runNamed(given.positionals[0] ?? ""), ({ integration: of, run: found }) => ({
    id: found.run_id,
    label: `the run of ${of === null ? found.integration_id.slice(0, 8) : labelOf(of)} for ${showInstant(found.scheduled_for)} (${found.status})`
  }))

/** What is asked before an action, and what its reason is asked with. */
const QUESTIONS: Readonly<Record<ActionName, (label: string) => string>> = {
  retry: (label) =>
    `Run ${label} again? If it did take effect, only the idempotency key keeps it from doing so twice.`,
  release: (label) => `Let later slots run after ${label}? Whether it took effect stays unknown.`,
  trigger: (label) => `Run ${label} now, outside its schedule?`,
  pause: (label) => `Pause ${label}? What is due meanwhile is passed over.`,
  resume: (label) => `Resume ${label}, and close its breaker?`
}

const command =
  (action: ActionName, find: Find): Main =>
  (cli) =>
    Effect.gen(function* () {
      yield* refuseSilence(action, cli)
      return yield* withDatabase(cli, () =>
        Effect.gen(function* () {
          const subject = yield* find(cli)
          const reason = yield* reasonOf(cli)
          if (!(yield* isConfirmed(action, subject, cli))) {
            cli.terminal.note("Nothing was changed.")
            return 0 as const
          }
          const report = yield* Effect.mapError(
            act({ action, id: subject.id, actor: actorOf(cli), reason }),
            (error) => actionError(action, error)
          )
          return yield* print(report, subject, cli)
        })
      )
    })

export const pause: Main = command("pause", integration)
export const resume: Main = command("resume", integration)
export const trigger: Main = command("trigger", integration)
export const retry: Main = command("retry", run)
export const release: Main = command("release", run)

/** Nobody can be asked: then it must be said on the command line, all of it. */
const refuseSilence = (action: ActionName, cli: Cli): Effect.Effect<void, CommandError> => {
  const { arguments: given, terminal } = cli
  if (terminal.ask !== null) return Effect.void
  const missing = [
    ...(given.has("yes") ? [] : ["--yes"]),
    ...((given.value("reason") ?? "").trim() === "" ? ["--reason '<why>'"] : [])
  ]
  return missing.length === 0
    ? Effect.void
    : Effect.fail(
        usageError(
          `${action} changes the project, and there is nobody to ask`,
          `Add ${missing.join(" and ")}; who and why are recorded.`
        )
      )
}

const reasonOf = ({ arguments: given, terminal }: Cli): Effect.Effect<string, CommandError> =>
  Effect.gen(function* () {
    const text = given.value("reason")?.trim() ?? ""
    const reason =
      text !== "" || terminal.ask === null ? text : yield* terminal.ask("Why, for the record: ")
    return reason === ""
      ? yield* Effect.fail(
          usageError("no reason was given", "Say why: --reason '<why>'; it is recorded.")
        )
      : reason
  })

const isConfirmed = (
  action: ActionName,
  { label }: Subject,
  { arguments: given, terminal }: Cli
): Effect.Effect<boolean> =>
  given.has("yes") || terminal.ask === null
    ? Effect.succeed(true)
    : Effect.map(terminal.ask(`${QUESTIONS[action](safe(label))} [y/N] `), (answer) =>
        /^y(es)?$/i.test(answer)
      )

/** An answer that was lost leaves it open whether it was done: look, then ask again. */
const actionError = (action: ActionName, error: SupabaseError): CommandError => {
  const told = databaseError(error)
  if (error.reason !== "Ambiguous") return told
  const [first, ...rest] = told.errors
  const hint = `It may have been done: look first, with sync-scheduler ${action === "pause" || action === "resume" ? "schedules list" : "runs list --live"}.`
  return new CommandError({ exit: told.exit, errors: [{ ...first, hint }, ...rest] })
}

/** What became of the action. */
export const json = ActionReport
const encode = Schema.encodeSync(json)

const print = (report: ActionReport, { label }: Subject, { terminal }: Cli) =>
  Effect.gen(function* () {
    if (!report.done) {
      return yield* Effect.fail(
        usageError(`${report.action} was refused: ${report.why}`, report.fix)
      )
    }
    if (terminal.format !== "text") {
      yield* terminal.printJson(encode(report))
      return 0 as const
    }
    const { style } = terminal
    const lines = [
      ...prose(`✓ ${DONE[report.action]} ${safe(label)}. ${report.changed}`, terminal).map(
        (line, n) => (n === 0 ? line.replace("✓", style.green("✓")) : line)
      ),
      ...(report.run_id === null
        ? []
        : [`  See what comes of it: sync-scheduler runs show ${report.run_id}`]),
      ...(report.undo === null ? [] : [`  Undo: ${report.undo}`])
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
