import { Effect } from "effect"
import type { Cli } from "../Command.ts"
import { type CommandError, usageError } from "../Failure.ts"
import { type Choice, EDGE, EXAMPLE, ownFunctions } from "../Init/InitPlan.ts"
import type { Terminal } from "../Terminal.ts"
import { answeredTarget, type Target } from "./SetupTarget.ts"

/** Enter means yes. The end of the input means no. */
const isYes = (answer: string | null): boolean => answer !== null && /^(y|yes|)$/i.test(answer)

/** Returns the index of the chosen option. Enter chooses the first. */
const pick = (
  ask: NonNullable<Terminal["ask"]>,
  question: string,
  options: ReadonlyArray<string>
): Effect.Effect<number> => {
  const lines = options.map((option, index) => `  ${index + 1}  ${option}`)
  return ask(`${[question, ...lines].join("\n")}\n[1]: `).pipe(
    Effect.map((answer) => ((answer ?? "") === "" ? 0 : Number(answer) - 1)),
    Effect.repeat({ until: (index) => Number.isInteger(index) && options[index] !== undefined })
  )
}

/** Returns null with `--yes` or `--dry-run`, or if there is no terminal. */
const askOf = ({ arguments: given, terminal }: Cli): Terminal["ask"] =>
  given.has("yes") || given.has("dry-run") ? null : terminal.ask

/** If no project is known, asks which project to use. */
export const completeTarget = (target: Target, cli: Cli): Effect.Effect<Target> => {
  const ask = cli.arguments.has("offline") ? null : askOf(cli)
  if (target._tag !== "None" || ask === null) return Effect.succeed(target)
  const question = [
    "Which project? Press Enter to start the local stack (supabase start, with Docker).",
    "For a hosted project, type its reference: the 20 letters in the dashboard URL.",
    "[local]: "
  ].join("\n")
  return ask(question).pipe(
    Effect.map((answer) => answeredTarget(answer ?? "")),
    Effect.repeat({ until: (answered) => answered !== undefined })
  )
}

/** Asks at most two questions, for choices that the flags left open. If `isBrief` is true, does not ask about the engine. */
export const completeChoice = (
  directory: string,
  choice: Choice,
  isBrief: boolean,
  cli: Cli
): Effect.Effect<Choice> =>
  Effect.gen(function* () {
    const { arguments: given } = cli
    const ask = askOf(cli)
    if (ask === null) return choice
    const own = (yield* Effect.promise(() => ownFunctions(directory))).filter(
      (name) => name !== EDGE && name !== EXAMPLE
    )
    const functions = [EXAMPLE, ...own]
    const isOpen = given.value("function") === undefined && own.length > 0
    const index = isOpen
      ? yield* pick(ask, "Which function runs the syncs?", [
          `${EXAMPLE}, an example to start from`,
          ...own
        ])
      : -1
    const isEdge =
      given.value("engine") === undefined && !choice.edge && !isBrief
        ? (yield* pick(ask, "What starts a tick every minute?", [
            "this program: sync-scheduler serve, systemd or a container",
            "the project: an Edge Function and pg_cron"
          ])) === 1
        : choice.edge
    return { syncFunction: functions[index] ?? choice.syncFunction, edge: isEdge }
  })

/** Asks for confirmation unless `--yes` is given. *Fails with* a usage error if there is no terminal. */
export const confirm = ({
  arguments: given,
  terminal
}: Cli): Effect.Effect<boolean, CommandError> => {
  if (given.has("yes")) return Effect.succeed(true)
  return terminal.ask === null
    ? Effect.fail(
        usageError(
          "setup needs confirmation, but this is not a terminal",
          "Add --yes. To see the plan first, use --dry-run."
        )
      )
    : Effect.map(terminal.ask("Do this? [Y/n] "), isYes)
}
