import { join } from "node:path"
import { Effect, Option, Schema, type Scope } from "effect"

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs commands of the Supabase CLI in the project's directory, without prompts. */
export interface SupabaseCli {
  /** The shell command: `supabase`, or `npx supabase` if the CLI is installed only in the project. */
  readonly name: string
  readonly run: (args: ReadonlyArray<string>) => Effect.Effect<Said>
  /** Starts a long-running command, such as `functions serve`, and stops it when the scope closes. */
  readonly keep: (args: ReadonlyArray<string>) => Effect.Effect<void, never, Scope.Scope>
}

/** How long a command and its containers may take to stop before the command is killed. */
const STOP_WITHIN = "15 seconds"

/** Looks for the CLI on the PATH, then in the project's node_modules. */
export const findSupabaseCli = (
  directory: string,
  environment: Readonly<Record<string, string | undefined>>
): SupabaseCli | null => {
  const onPath = Bun.which("supabase", { PATH: environment.PATH ?? "" })
  const own = Bun.which("supabase", { PATH: join(directory, "node_modules/.bin") })
  const program = onPath ?? own
  if (program === null) return null
  const start = (args: ReadonlyArray<string>, output: "pipe" | "ignore") =>
    Effect.acquireRelease(
      Effect.sync(() =>
        Bun.spawn([program, ...args], {
          cwd: directory,
          // Without this variable, the CLI would use a project in a parent directory.
          env: { ...environment, SUPABASE_WORKDIR: directory },
          stdin: "ignore",
          stdout: output,
          stderr: output
        })
      ),
      (child) =>
        Effect.promise(() => {
          child.kill()
          return child.exited
        }).pipe(
          Effect.timeoutOption(STOP_WITHIN),
          Effect.andThen(Effect.sync(() => child.kill("SIGKILL")))
        )
    )
  return {
    name: onPath === null ? "npx supabase" : "supabase",
    run: (args) =>
      Effect.scoped(
        Effect.flatMap(start(args, "pipe"), ({ exited, stderr, stdout }) =>
          Effect.promise(async () => ({
            stdout: await new Response(stdout).text(),
            stderr: await new Response(stderr).text(),
            code: await exited
          }))
        )
      ),
    keep: (args) => Effect.asVoid(start(args, "ignore"))
  }
}

const Failure = Schema.parseJson(
  Schema.Struct({
    error: Schema.Struct({
      message: Schema.String,
      suggestion: Schema.optional(Schema.String)
    })
  })
)
const decodeFailure = Schema.decodeUnknownOption(Failure)

export const failureReason = ({ stderr, stdout }: Said): string => {
  const failure = Option.getOrUndefined(decodeFailure(jsonOf(stdout)))
  if (failure !== undefined) {
    const { message, suggestion } = failure.error
    // The text after `At statement:` is the failed SQL statement, which is not part of the reason.
    const [why = ""] = message.split(/\s*At statement: /)
    return suggestion === undefined ? why : `${why}. ${suggestion}`
  }
  const lines = stderr.split("\n").filter((line) => line.trim() !== "" && !NOISE.test(line))
  return lines.slice(-6).join(" ") || "it gave no reason"
}

const NOISE = /^(Target: |Try rerunning the command with --debug|Applying migration )/

/** Parses output as JSON, even if a warning precedes the JSON. */
export const decodeOutput = <A, I>(
  schema: Schema.Schema<A, I>,
  { code, stdout }: Said
): A | undefined =>
  code === 0
    ? Option.getOrUndefined(Schema.decodeUnknownOption(Schema.parseJson(schema))(jsonOf(stdout)))
    : undefined

const jsonOf = (text: string): string => text.slice(Math.max(0, text.search(/^[[{]/m))).trim()
