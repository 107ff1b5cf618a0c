import { readFile, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import { Effect, Schema } from "effect"
import type { Main } from "./Command.ts"
import { CommandError, usageError } from "./Failure.ts"
import {
  carryOut,
  functionNames,
  laterMigrations,
  type PlannedFile,
  plan,
  WrittenFile
} from "./InitPlan.ts"
import { safe } from "./Style.ts"
import type { Terminal } from "./Terminal.ts"

/** What `init` did, or with `--dry-run` would do. */
export const json = Schema.Struct({
  directory: Schema.String,
  dry_run: Schema.Boolean,
  files: Schema.Array(WrittenFile),
  /** What supabase/config.toml lacks; null when it lacks nothing. */
  config_toml: Schema.NullOr(Schema.String),
  /** The project's migrations that are newer than ours. */
  later_migrations: Schema.Array(Schema.String)
})
type Report = typeof json.Type

/** `init`: writes migrations and functions into a Supabase project, and never over anything. Exit 3: something differs. */
export const main: Main = ({ arguments: given, terminal }) =>
  Effect.gen(function* () {
    const directory = resolve(given.positionals[0] ?? ".")
    const isDry = given.has("dry-run")
    yield* checkDirectory(directory)
    const planned = yield* Effect.promise(() => plan(directory))
    const files = isDry ? planned : yield* write(directory, planned)
    const report: Report = {
      directory,
      dry_run: isDry,
      files: files.map(({ path, status, why }) => ({ path, status, why })),
      config_toml: yield* Effect.promise(() => missingSettings(directory)),
      later_migrations: yield* Effect.promise(() => laterMigrations(directory))
    }
    yield* print(report, terminal)
    return report.files.some(({ status }) => status === "different") ? 3 : 0
  })

/** A directory that is not there yet is made; anything else in its place is a mistake. */
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
              "Name a directory, or one that is still to be made."
            )
          )
    )
  )

/** Writes what is planned. *Fails with* why it could not, when the disk or a permission stood in the way. */
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
            hint: "Make the directory writable, or make room, and run it again: what is there already is left as it is."
          }
        ]
      })
  })

/** The functions check their callers themselves; the platform's own check refuses secret keys (sb_secret_...). */
const missingSettings = async (directory: string): Promise<string | null> => {
  const text = await readFile(join(directory, "supabase/config.toml"), "utf8").catch(() => "")
  const missing = functionNames.filter((name) => !text.includes(`[functions.${name}]`))
  return missing.length === 0
    ? null
    : missing.map((name) => `[functions.${name}]\nverify_jwt = false\n`).join("\n")
}

const print = (report: Report, terminal: Terminal): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (terminal.format === "json") return yield* terminal.printJson(report)
    if (terminal.format === "jsonl") {
      const { files, ...rest } = report
      for (const file of files) yield* terminal.printJson({ type: "file", ...file })
      return yield* terminal.printJson({ type: "init", ...rest })
    }
    yield* terminal.print(lines(report, terminal).join("\n"))
  })

export const WORDS: Record<PlannedFile["status"], string> = {
  created: "created",
  unchanged: "unchanged",
  different: "different",
  kept: "kept",
  left_out: "left out"
}

const lines = (report: Report, { style }: Terminal): ReadonlyArray<string> => {
  const { files } = report
  const count = (status: PlannedFile["status"]) =>
    files.filter((file) => file.status === status).length
  const differ = count("different")
  const shown = files.filter(({ status }) => status !== "unchanged")
  const counts = [
    `${count("created")} ${report.dry_run ? "to be created" : "created"}`,
    `${count("unchanged")} unchanged`,
    ...(count("kept") === 0 ? [] : [`${count("kept")} of the example kept as they are`]),
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
    ...(differ === 0 ? nextSteps(report) : [])
  ]
}

const DIFFERENT = [
  "  What differs was left as it is, and what belongs with it was not written. To compare:",
  "    sync-scheduler init new && diff -ru supabase new/supabase",
  "  Take over what you want and run init again. A migration that was applied must have its old text back."
]

const nextSteps = ({ config_toml, later_migrations }: Report): ReadonlyArray<string> => [
  "",
  "Next:",
  ...(config_toml === null
    ? []
    : [
        "  Add to supabase/config.toml (supabase init makes one):",
        "",
        ...config_toml
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`.trimEnd()),
        ""
      ]),
  `  supabase db push${later_migrations.length === 0 ? "" : " --include-all      (the project has newer migrations of its own)"}`,
  "  supabase functions deploy integration-sync",
  "  sync-scheduler run --dry-run"
]
