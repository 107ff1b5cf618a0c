import { readFile } from "node:fs/promises"
import { Effect, Redacted, Schema } from "effect"
import { ADD_AND_LOOK, ADD_EXAMPLE } from "../Init/ExampleRow.ts"
import { type Choice, chosenFunctions, EXAMPLE } from "../Init/InitPlan.ts"
import type { Done, Obstacle, Task } from "./SetupStep.ts"
import { hostedProject, localStack, type Target, type TargetConnection } from "./SetupTarget.ts"
import { decodeOutput, failureReason, type SupabaseCli } from "./SupabaseCli.ts"

/** The context of tasks that use the Supabase CLI. */
export interface SetupContext {
  readonly cli: SupabaseCli
  readonly target: Exclude<Target, { readonly _tag: "None" }>
  readonly choice: Choice
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The path of a file with secrets for the hosted functions. */
  readonly envFile: string | undefined
  /** Whether `supabase db push` needs `--include-all`, according to the migration files. */
  readonly includeAll: boolean
}

const done = (detail: string): Done => ({ status: "done", detail })
const unchanged = (detail: string): Done => ({ status: "unchanged", detail })
const obstacle = (why: string, command?: string): Obstacle =>
  command === undefined ? { why } : { why, command }

const remote = ({ target }: SetupContext): ReadonlyArray<string> =>
  target._tag === "Linked" ? ["--remote"] : []

const typed = (cli: SupabaseCli, args: ReadonlyArray<string>): string =>
  [cli.name, ...args.map((arg) => (/^[\w./=-]+$/.test(arg) ? arg : `"${arg}"`))].join(" ")

/** *Fails with* the CLI's error. If the user is not logged in, the failure includes the login command. */
const runOrFail = (
  cli: SupabaseCli,
  args: ReadonlyArray<string>,
  also: ReadonlyArray<string> = []
) =>
  Effect.flatMap(cli.run([...args, ...also]), (output) => {
    if (output.code === 0) return Effect.succeed(output)
    const why = failureReason(output)
    const isUnknown = /access token not provided/i.test(why)
    return Effect.fail(obstacle(why, isUnknown ? typed(cli, ["login"]) : undefined))
  })

const simple = (
  cli: SupabaseCli,
  step: string,
  plan: string,
  args: ReadonlyArray<string>,
  after: string,
  also: ReadonlyArray<string> = []
): Task => ({
  step,
  plan,
  command: typed(cli, args),
  run: Effect.as(runOrFail(cli, args, also), done(after))
})

/** The flag that confirms changes to a hosted project. */
const YES = ["--yes"]

export const initTask = (cli: SupabaseCli): Task =>
  simple(cli, "project", "Create supabase/config.toml", ["init"], "supabase/config.toml created")

/** Returns the tasks that start the local stack, or link the directory. */
export const reachTasks = ({ cli, target }: SetupContext): ReadonlyArray<Task> => {
  if (target._tag === "Local") {
    const plan = "Start the local stack (the first start can take several minutes)"
    return target.isRunning ? [] : [simple(cli, "stack", plan, ["start"], "started")]
  }
  const args = ["link", "--project-ref", target.ref]
  return target.isLinked
    ? []
    : [simple(cli, "link", `Link to ${target.ref}`, args, `linked to ${target.ref}`, YES)]
}

const Migrations = Schema.Struct({
  migrations: Schema.Array(Schema.Struct({ local: Schema.String, remote: Schema.String }))
})

/** Uses `--include-all` if a missing migration is older than an applied migration. */
export const databaseTask = (context: SetupContext): Task => {
  const { cli, includeAll } = context
  const push = (isAll: boolean) => [
    ...["db", "push", ...remote(context)],
    ...(isAll ? ["--include-all"] : [])
  ]
  return {
    step: "database",
    plan: "Apply the migrations",
    command: typed(cli, push(includeAll)),
    run: Effect.gen(function* () {
      const output = yield* runOrFail(cli, ["migration", "list", ...remote(context)], JSON_OUTPUT)
      const known = decodeOutput(Migrations, output)?.migrations
      const open = known?.filter(({ remote: there }) => there === "").map(({ local }) => local)
      if (open?.length === 0) return unchanged("every migration is applied")
      const newest =
        known
          ?.map(({ remote: there }) => there)
          .toSorted()
          .at(-1) ?? ""
      const args = push(open === undefined ? includeAll : open.some((version) => version < newest))
      yield* Effect.mapError(runOrFail(cli, [...args, ...YES], JSON_OUTPUT), ({ why }) =>
        /cannot adopt/i.test(why)
          ? adoption(why, typed(cli, args))
          : obstacle(why, typed(cli, args))
      )
      return done(`${open?.length ?? "all"} migrations applied`)
    })
  }
}

const JSON_OUTPUT = ["--output-format", "json"]

/** Returns the obstacle for a project that already has tables with the scheduler's table names. Setup does not change them. */
const adoption = (why: string, command: string): Obstacle =>
  obstacle(
    `${why}. Nothing was changed. Rename your table, and map its ids (docs/how-to/adopt-tables.md). The table keeps its rows.`,
    `alter table public.organization_integrations rename to my_integrations;   -- in psql or the SQL editor\n${command}`
  )

/** Returns the tasks that serve the functions locally, or deploy the chosen functions to a hosted project. */
export const functionTasks = (
  context: SetupContext,
  connect: Effect.Effect<TargetConnection, Obstacle>
): ReadonlyArray<Task> => {
  const { choice, cli, envFile, target } = context
  if (target._tag === "Local") return [serveTask(cli, choice.syncFunction, connect)]
  const names = chosenFunctions(choice)
  const deploy = ["functions", "deploy", ...names, "--use-api"]
  return [
    ...(names.length === 0
      ? []
      : [
          simple(
            cli,
            "function",
            `Deploy ${names.join(", ")}`,
            deploy,
            `${names.join(", ")} deployed`,
            YES
          )
        ]),
    ...(envFile === undefined ? [] : [secretsTask(cli, envFile)])
  ]
}

const serveTask = (
  cli: SupabaseCli,
  name: string,
  connect: Effect.Effect<TargetConnection, Obstacle>
): Task => ({
  step: "function",
  plan: `Serve ${name}`,
  command: typed(cli, ["functions", "serve"]),
  run: Effect.gen(function* () {
    const { url } = yield* connect
    const address = `${url}/functions/v1/${name}`
    if (yield* isServed(address)) return unchanged(`${name} responds at ${address}`)
    yield* cli.keep(["functions", "serve"])
    const isUp = yield* isServed(address).pipe(
      Effect.delay(500),
      Effect.repeat({ until: (isUp) => isUp, times: 120 })
    )
    if (!isUp) return yield* Effect.fail(obstacle(`${name} does not respond at ${address}`))
    return done(`${name} is served at ${address} while setup runs`)
  })
})

/** Sends the same request as a tick's warm-up. */
const isServed = (address: string): Effect.Effect<boolean> =>
  Effect.promise((signal) =>
    fetch(address, {
      method: "OPTIONS",
      signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)])
    })
      .then(({ status }) => status < 400)
      .catch(() => false)
  )

const secretsTask = (cli: SupabaseCli, file: string): Task => {
  const args = ["secrets", "set", "--env-file", file]
  return {
    step: "secrets",
    plan: `Set the secrets of ${file}`,
    command: typed(cli, args),
    run: Effect.gen(function* () {
      const text = yield* Effect.tryPromise({
        try: () => readFile(file, "utf8"),
        catch: () => obstacle(`${file} cannot be read`)
      })
      yield* runOrFail(cli, args, YES)
      return done(`${text.match(/^\s*(?:export\s+)?[A-Za-z_]\w*=/gm)?.length ?? 0} secrets set`)
    })
  }
}

const Example = Schema.Tuple(
  Schema.Struct({
    added: Schema.Number,
    integrations: Schema.Number,
    present: Schema.Boolean,
    completed: Schema.Boolean
  })
)
type Example = (typeof Example.Type)[0]

/** Calls `found` with the state of the example. */
export const exampleTask = (context: SetupContext, found: (example: Example) => void): Task => {
  const { cli } = context
  const args = ["db", "query", ...remote(context), ADD_AND_LOOK]
  return {
    step: "example",
    plan: "Add an example integration that runs every minute",
    command: typed(cli, ["db", "query", ...remote(context), ADD_EXAMPLE.replaceAll(/\s+/g, " ")]),
    run: Effect.gen(function* () {
      const output = yield* runOrFail(cli, args, ["-o", "json", ...YES])
      const [example] = decodeOutput(Example, output) ?? []
      if (example === undefined)
        return yield* Effect.fail(obstacle(`unexpected output: ${output.stdout}`))
      found(example)
      if (example.added > 0) return done("Example / example, every minute (UTC)")
      return example.present
        ? unchanged("Example / example, every minute (UTC)")
        : unchanged(`left out: the project has ${example.integrations} integrations of its own`)
    })
  }
}

/** Returns the connection to the project, which must be reachable. The result is cached. */
export const connecting = ({ cli, environment, target }: SetupContext) =>
  Effect.cached(
    target._tag === "Linked"
      ? Effect.mapError(hostedProject(cli, target.ref, environment), (why) => obstacle(why))
      : Effect.flatMap(localStack(cli), (stack) =>
          stack === undefined
            ? Effect.fail(obstacle("the local stack is not running", typed(cli, ["start"])))
            : Effect.succeed(stack)
        )
  )

/** Returns the settings for this project, without variables that could select another project. */
export const settingsOf = (
  { key, url }: TargetConnection,
  choice: Choice,
  environment: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string | undefined>> => {
  const others = Object.entries(environment).filter(([name]) => !NAMES_A_PROJECT.test(name))
  return {
    ...Object.fromEntries(others),
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEY: Redacted.value(key),
    ...(choice.syncFunction === EXAMPLE ? {} : { SYNC_SCHEDULER_FUNCTION: choice.syncFunction })
  }
}

const NAMES_A_PROJECT =
  /^(CREDENTIALS_DIRECTORY|SUPABASE_\w+|SYNC_SCHEDULER_FUNCTION(S|_URL)?(_FILE)?)$/
