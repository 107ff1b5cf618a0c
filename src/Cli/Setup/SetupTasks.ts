import { Effect } from "effect"
import type { Sources } from "../../Config/Source.ts"
import type { Arguments, Cli } from "../Command.ts"
import type { PlannedFile } from "../Init/FileWriting.ts"
import { type Choice, EXAMPLE } from "../Init/InitPlan.ts"
import { filesTask } from "./SetupFiles.ts"
import { runTask } from "./SetupRun.ts"
import type { Obstacle, Task } from "./SetupStep.ts"
import {
  connecting,
  databaseTask,
  exampleTask,
  functionTasks,
  initTask,
  reachTasks,
  settingsOf
} from "./SetupSteps.ts"
import type { Target } from "./SetupTarget.ts"
import type { SupabaseCli } from "./SupabaseCli.ts"

/** The user's request and the detected project. */
export interface Setup {
  readonly cli: Cli
  readonly directory: string
  /** Null if the Supabase CLI is not installed. */
  readonly supabase: SupabaseCli | null
  readonly target: Target
  readonly choice: Choice
  readonly options: { readonly seed: boolean }
  /** Whether the directory has a supabase/config.toml. */
  readonly isProject: boolean
  readonly includeAll: boolean
  readonly written: (files: ReadonlyArray<PlannedFile>) => void
}

/** Returns the tasks, in order. `settings` succeeds once the project is reachable. */
export const tasksFor = (
  setup: Setup
): Effect.Effect<{
  readonly tasks: ReadonlyArray<Task>
  readonly settings: Effect.Effect<Sources["environment"], Obstacle>
}> =>
  Effect.gen(function* () {
    const { choice, cli, directory, isProject, options, supabase, target, written } = setup
    const { environment } = cli.sources()
    const isAlone = supabase === null || cli.arguments.has("offline")
    const program = supabase ?? NOT_INSTALLED
    const context = {
      cli: program,
      target: target._tag === "None" ? ({ _tag: "Local", isRunning: false } as const) : target,
      choice,
      environment,
      envFile: cli.arguments.value("env-file"),
      includeAll: setup.includeAll
    }
    const connect = yield* connecting(context)
    const settings = Effect.map(connect, (found) => settingsOf(found, choice, environment))
    let isRunWanted = false
    const init = isProject ? [] : [initTask(program)]
    const files = filesTask(directory, choice, options, written)
    const rest = [
      ...reachTasks(context),
      databaseTask(context),
      ...functionTasks(context, connect),
      ...(choice.syncFunction === EXAMPLE
        ? [
            exampleTask(context, ({ completed, present, added }) => {
              isRunWanted = (present || added > 0) && !completed
            }),
            runTask(cli, settings, () => isRunWanted)
          ]
        : [])
    ]
    if (isAlone) {
      const missing = supabase === null ? [INSTALL] : []
      const open = [...missing, ...init, ...rest].map((task) => ({ ...task, run: undefined }))
      return { tasks: [files, ...open], settings }
    }
    if (target._tag === "None") return { tasks: [...init, files, choose(cli.arguments)], settings }
    return { tasks: [...init, files, ...rest], settings }
  })

/** A placeholder that provides the name of the CLI for commands shown to the user. */
const NOT_INSTALLED: SupabaseCli = {
  name: "supabase",
  run: () => Effect.succeed({ code: 127, stdout: "", stderr: "The Supabase CLI is not installed" }),
  keep: () => Effect.void
}

const INSTALL: Task = {
  step: "supabase",
  plan: "The Supabase CLI is neither on the PATH nor in node_modules. Install it:",
  command: "npm install --save-dev supabase",
  run: undefined
}

/** Flags that do not affect the result of setup. */
export const ONCE = ["yes", "dry-run", "offline", "serve", "listen", "output", "verbose"] as const

const choose = (given: Arguments): Task => {
  const line = given.lineWithout(...ONCE)
  return {
    step: "project",
    plan: "No local stack is running, and no project is linked. Choose one:",
    command: `${line} --local\nsupabase login && ${line} --project-ref <ref>`,
    run: undefined
  }
}
