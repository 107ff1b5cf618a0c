import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Schema, type Scope } from "effect"
import { table } from "../../Config.ts"
import type { Arguments, Cli, Main } from "../Command.ts"
import type { CommandError, ExitCode } from "../Failure.ts"
import { type PlannedFile, WrittenFile } from "../Init/FileWriting.ts"
import { checkDirectory, choiceOf } from "../Init/Init.ts"
import { type Choice, EXAMPLE, laterMigrations } from "../Init/InitPlan.ts"
import { planProject } from "../Init/ProjectPlan.ts"
import { safe } from "../Style.ts"
import { fileLines } from "./SetupFiles.ts"
import { completeChoice, completeTarget, confirm } from "./SetupQuestions.ts"
import { sourcesOf } from "./SetupRun.ts"
import { perform, planned, StepReport, stepLines } from "./SetupStep.ts"
import { findTarget, type Target } from "./SetupTarget.ts"
import { ONCE, tasksFor } from "./SetupTasks.ts"
import { findSupabaseCli } from "./SupabaseCli.ts"

export const json = Schema.Struct({
  directory: Schema.String,
  dry_run: Schema.Boolean,
  target: Schema.Literal("local", "linked", "none"),
  steps: Schema.Array(StepReport),
  files: Schema.Array(WrittenFile),
  /** The commands to run next. */
  next: Schema.Array(Schema.String)
})
type Report = typeof json.Type

/** `setup`: sets up a project, including its first scheduled run. Exits with 3 if a step remains to be done. */
export const main: Main = (cli) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { arguments: given, sources, terminal } = cli
      const { environment } = sources()
      const directory = resolve(given.positionals[0] ?? ".")
      yield* checkDirectory(directory)
      const supabase = findSupabaseCli(directory, environment)
      const found = yield* findTarget(directory, given, supabase)
      const target = supabase === null ? found : yield* completeTarget(found, cli)
      const isAsked = target !== found
      const asked = yield* choiceOf(directory, given)
      const choice = yield* completeChoice(directory, asked, isAsked, cli)
      const options = { seed: target._tag === "Local" }
      const project = yield* Effect.promise(() => planProject(directory, choice, options))
      let files: ReadonlyArray<PlannedFile> = project.files
      const { settings, tasks } = yield* tasksFor({
        cli,
        directory,
        supabase,
        target,
        choice,
        options,
        isProject: existsSync(join(directory, "supabase/config.toml")),
        includeAll: (yield* Effect.promise(() => laterMigrations(directory))).length > 0,
        written: (all) => {
          files = all
        }
      })
      const report = (rest: Pick<Report, "dry_run" | "steps" | "next">): Report => ({
        directory,
        target: TARGETS[target._tag],
        ...rest,
        files: files.map(({ path, status, why }) => ({ path, status, why }))
      })
      const plan = planned(tasks)
      if (terminal.format === "text") {
        yield* terminal.print(
          [
            `In ${safe(directory)}: ${nameOf(target)}`,
            "",
            ...fileLines(project, terminal),
            "",
            ...plan.flatMap((step) => stepLines(step, terminal)),
            ""
          ].join("\n")
        )
      }
      if (given.has("dry-run") || !(yield* confirm(cli))) {
        yield* print(report({ dry_run: true, steps: plan, next: [] }), cli)
        return 0 as const
      }
      const steps = yield* perform(tasks, terminal)
      const isOpen = steps.some(({ status }) => status === "failed" || status === "by_hand")
      const again = commandFor(given, choice, target)
      const isUndecided = target._tag === "None" && supabase !== null && !given.has("offline")
      const repeat = isUndecided ? [] : [again]
      const next = isOpen ? repeat : nextSteps(again, choice, target)
      yield* print(report({ dry_run: false, steps, next }), cli)
      if (isOpen) return given.has("offline") && steps.every(isNotFailed) ? 0 : 3
      return given.has("serve") ? yield* serveHere(cli, yield* Effect.orDie(settings)) : 0
    })
  )

const TARGETS = { Local: "local", Linked: "linked", None: "none" } as const

const isNotFailed = ({ status }: StepReport): boolean => status !== "failed"

const nameOf = (target: Target): string => {
  if (target._tag === "Local") return "the local stack of the Supabase CLI"
  return target._tag === "Linked" ? `the hosted project ${target.ref}` : "no project is running yet"
}

/** Returns the command that repeats this setup, with the answers to its questions as flags. */
const commandFor = (given: Arguments, { edge, syncFunction }: Choice, target: Target): string => {
  const decided = ["local", "linked", "project-ref", "function", "engine"]
  const where = {
    Local: ["--local"],
    Linked:
      target._tag === "Linked" && !target.isLinked ? ["--project-ref", target.ref] : ["--linked"],
    None: []
  }[target._tag]
  return [
    given.lineWithout(...decided, ...ONCE),
    ...where,
    ...(syncFunction === EXAMPLE ? [] : ["--function", syncFunction]),
    ...(edge ? ["--engine", "edge"] : [])
  ].join(" ")
}

const nextSteps = (again: string, { edge }: Choice, target: Target): ReadonlyArray<string> => {
  if (!edge || target._tag !== "Linked") return [`${again} --serve`]
  return [
    `select vault.create_secret('https://${target.ref}.supabase.co', 'project_url');   -- in the SQL editor, once`,
    "sync-scheduler install pg_cron --print                                          # and run its pg_cron.sql there"
  ]
}

const print = (report: Report, { terminal }: Cli): Effect.Effect<void> => {
  if (terminal.format === "json") return terminal.printJson(report)
  if (terminal.format === "jsonl") {
    const { steps: _, ...rest } = report
    return terminal.printJson({ type: "setup", ...rest })
  }
  if (report.dry_run) return terminal.print("Nothing was changed.")
  if (report.next.length === 0) return Effect.void
  const isPage = report.next.some((command) => command.endsWith("--serve"))
  return terminal.print(
    [
      "",
      isPage ? "Next: a tick every minute, and the page at http://127.0.0.1:8787" : "Next:",
      ...report.next.map((command) => `  ${command}`)
    ].join("\n")
  )
}

const serveHere = (
  cli: Cli,
  environment: Readonly<Record<string, string | undefined>>
): Effect.Effect<ExitCode, CommandError, Scope.Scope> =>
  Effect.gen(function* () {
    const { main: serve } = yield* Effect.promise(() => import("../Serve/Serve.ts"))
    const listen =
      cli.arguments.value("listen") ?? environment[table.listen.key] ?? "127.0.0.1:8787"
    if (cli.terminal.format === "text") yield* cli.terminal.print(`Page: http://${listen}`)
    return yield* serve({ ...cli, sources: sourcesOf(cli, environment) })
  })
