import { existsSync } from "node:fs"
import { stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { Effect, Schema } from "effect"
import type { Arguments, Main } from "../Command.ts"
import { CommandError, usageError } from "../Failure.ts"
import { safe } from "../Style.ts"
import type { Terminal } from "../Terminal.ts"
import { carryOut, type PlannedFile, WrittenFile } from "./FileWriting.ts"
import { type Choice, chosenFunctions, EDGE, EXAMPLE, laterMigrations } from "./InitPlan.ts"
import { planProject } from "./ProjectPlan.ts"

export const json = Schema.Struct({
  directory: Schema.String,
  dry_run: Schema.Boolean,
  files: Schema.Array(WrittenFile),
  /** The changes to make in supabase/config.toml by hand, or null if there are none. */
  config_toml: Schema.NullOr(Schema.String),
  /** The project's migrations that are newer than the scheduler's newest migration. */
  later_migrations: Schema.Array(Schema.String)
})
type Report = typeof json.Type

/**
 * `init`: writes migrations and functions into a Supabase project, and never overwrites a file. Exits with 3 if a file differs.
 */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const directory = resolve(given.positionals[0] ?? ".")
    const isDry = given.has("dry-run")
    yield* checkDirectory(directory)
    const choice = yield* choiceOf(directory, given)
    const project = yield* Effect.promise(() => planProject(directory, choice, { seed: false }))
    const files = isDry ? project.files : yield* write(directory, project.files)
    const report: Report = {
      directory,
      dry_run: isDry,
      files: files.map(({ path, status, why }) => ({ path, status, why })),
      config_toml: project.config?.text ?? null,
      later_migrations: yield* Effect.promise(() => laterMigrations(directory))
    }
    yield* print(report, choice, terminal)
    return report.files.some(({ status }) => status === "different") ? 3 : 0
  })

/**
 * Returns the choice that the flags express. Always includes the scheduler's Edge Function if the project already has it, to keep
 * it up to date.
 */
export const choiceOf = (
  directory: string,
  given: Pick<Arguments, "value">
): Effect.Effect<Choice, CommandError> => {
  const syncFunction = given.value("function") ?? EXAMPLE
  const isThere = existsSync(join(directory, "supabase/functions", EDGE))
  return /^[A-Za-z0-9][\w-]{0,63}$/.test(syncFunction) && syncFunction !== EDGE
    ? Effect.succeed({ syncFunction, edge: given.value("engine") === "edge" || isThere })
    : Effect.fail(
        usageError(
          `--function is "${safe(syncFunction)}": the function name is invalid`,
          "Use letters, digits, - and _, as in: --function integration-sync"
        )
      )
}

/** *Fails with* a usage error if the path is not a directory. A missing directory is created later. */
export const checkDirectory = (directory: string): Effect.Effect<void, CommandError> =>
  Effect.promise(() =>
    stat(directory).then(
      (found) => found.isDirectory(),
      () => true
    )
  ).pipe(
    Effect.flatMap((isUsable) =>
      isUsable
        ? Effect.void
        : Effect.fail(
            usageError(
              `${safe(directory)} is not a directory`,
              "Name an existing or a new directory."
            )
          )
    )
  )

/** Writes the planned files. *Fails with* the reason, such as a full disk or a missing permission. */
export const write = (directory: string, planned: ReadonlyArray<PlannedFile>) =>
  Effect.tryPromise({
    try: () => carryOut(directory, planned),
    catch: (error) =>
      new CommandError({
        exit: 2,
        errors: [
          {
            code: "CANNOT_WRITE",
            message: `Not all files could be written: ${safe(error instanceof Error ? error.message : String(error))}`,
            hint: "Make the directory writable or free some space, then run init again. init leaves existing files unchanged."
          }
        ]
      })
  })

const print = (report: Report, choice: Choice, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(report)
    if (terminal.format === "jsonl") {
      const { files, ...rest } = report
      for (const file of files) yield* terminal.printJson({ type: "file", ...file })
      return yield* terminal.printJson({ type: "init", ...rest })
    }
    yield* terminal.print(lines(report, choice, terminal).join("\n"))
  })

export const WORDS: Record<PlannedFile["status"], string> = {
  created: "created",
  changed: "changed",
  unchanged: "unchanged",
  different: "different",
  kept: "kept",
  left_out: "left out"
}

const lines = (report: Report, choice: Choice, { style }: Terminal): ReadonlyArray<string> => {
  const { files } = report
  const count = (status: PlannedFile["status"]) =>
    files.filter((file) => file.status === status).length
  const differ = count("different")
  const shown = files.filter(({ status }) => status !== "unchanged")
  const counts = [
    `${count("created")} ${report.dry_run ? "to be created" : "created"}`,
    ...(count("changed") === 0
      ? []
      : [`${count("changed")} ${report.dry_run ? "to be changed" : "changed"}`]),
    `${count("unchanged")} unchanged`,
    ...(count("kept") === 0 ? [] : [`${count("kept")} changed example files kept`]),
    ...(count("left_out") === 0 ? [] : [`${count("left_out")} left out`]),
    ...(differ === 0 ? [] : [style.red(`${differ} different`)])
  ]
  const symbol = differ === 0 ? style.green("✓") : style.red("✗")
  return [
    ...shown.map(
      ({ path, status, why }) =>
        `  ${WORDS[status].padEnd(9)}  ${path}${why === null ? "" : style.dim(`  (${safe(why)})`)}`
    ),
    ...(shown.length === 0 ? [] : [""]),
    `${symbol} ${counts.join(", ")}, in ${safe(report.directory)}.${report.dry_run ? " Nothing was written." : ""}`,
    ...(differ === 0 ? [] : DIFFERENT),
    ...(differ === 0 ? nextSteps(report, choice) : [])
  ]
}

const DIFFERENT = [
  "  Files that differ were not changed. Files that belong with them were not written. To compare:",
  "    sync-scheduler init new && diff -ru supabase new/supabase",
  "  Adopt the changes that you want, and run init again. If a migration has been applied, restore its old text."
]

const nextSteps = (
  { config_toml, later_migrations }: Report,
  choice: Choice
): ReadonlyArray<string> => [
  "",
  "Next:",
  ...(config_toml === null
    ? []
    : [
        "  Add to supabase/config.toml (supabase init creates it):",
        "",
        ...config_toml
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`.trimEnd()),
        ""
      ]),
  `  supabase db push${later_migrations.length === 0 ? "" : " --include-all      (the project has newer migrations of its own)"}`,
  ...chosenFunctions(choice).map((name) => `  supabase functions deploy ${name}`),
  "  sync-scheduler run --dry-run",
  "",
  "To do all of this in one command: sync-scheduler setup"
]
