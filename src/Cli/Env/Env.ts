import { Effect, Schema } from "effect"
import { ambientOf } from "../../Config/Ambient.ts"
import { inspect } from "../../Config/Load.ts"
import { subjects } from "../../Config.ts"
import type { Main } from "../Command.ts"
import { safe } from "../Style.ts"
import { type Cell, renderTable } from "../Table.ts"

const Problem = Schema.Struct({
  key: Schema.String,
  what: Schema.String,
  why: Schema.String,
  fix: Schema.String
})

/**
 * All settings, or only the settings that are set if `--changed` is given. Secrets are masked. `environment` contains variables
 * that are not settings but affect the program, such as a proxy.
 */
export const json = Schema.Struct({
  settings: Schema.Array(
    Schema.Struct({
      subject: Schema.String,
      key: Schema.String,
      value: Schema.NullOr(Schema.String),
      source: Schema.String,
      description: Schema.String,
      default: Schema.NullOr(Schema.String),
      example: Schema.String,
      secret: Schema.Boolean
    })
  ),
  environment: Schema.Array(
    Schema.Struct({ name: Schema.String, value: Schema.String, effect: Schema.String })
  ),
  problems: Schema.Array(Problem),
  warnings: Schema.Array(Schema.String)
})

/** `env`: lists every setting with its value and source. Exits with 2 when a setting is malformed. */
export const main: Main = ({ arguments: given, sources, terminal }) =>
  Effect.gen(function* () {
    const inspected = inspect(sources())
    const { problems, warnings } = inspected
    const rows = rowsOf(inspected).filter((row) => !given.has("changed") || !isUnset(row))
    const environment = ambientOf(sources().environment)
    const { format, print, printJson, style } = terminal
    if (format === "json") {
      yield* printJson({ settings: rows, environment, problems, warnings })
    } else if (format === "jsonl") {
      for (const row of [...rows, ...environment]) yield* printJson(row)
    } else {
      const lines =
        rows.length === 0
          ? ["No settings are set. To see all settings: sync-scheduler env"]
          : renderTable(
              [{ title: "SETTING" }, { title: "VALUE" }, { title: "FROM" }, { title: "PURPOSE" }],
              bySubject(rows),
              style,
              terminal.width
            )
      const ambient = renderTable(
        [{ title: "ENVIRONMENT" }, { title: "VALUE" }, { title: "EFFECT" }],
        environment.map(
          ({ effect, name, value }): ReadonlyArray<Cell> => [
            { text: name },
            { text: value },
            { text: effect, paint: "dim" }
          ]
        ),
        style,
        terminal.width
      )
      yield* print([...lines, ...(environment.length > 0 ? ["", ...ambient] : [])].join("\n"))
      for (const { fix, what, why } of problems) {
        terminal.note(`error: ${safe(`${what}: ${why}`)}\n  fix: ${safe(fix)}`)
      }
      for (const warning of warnings) terminal.note(`warning: ${safe(warning)}`)
    }
    return problems.length === 0 ? (0 as const) : (2 as const)
  })

type Row = (typeof json.Type)["settings"][number]

const rowsOf = ({ found, problems }: ReturnType<typeof inspect>): ReadonlyArray<Row> =>
  subjects.flatMap(({ settings, title }) =>
    Object.values(settings).map(({ description, example, initial, key, secret }) => {
      const one = found.get(key)
      const text = one?.text ?? null
      const isRefused = problems.some((problem) => problem.key === key)
      return {
        subject: title,
        key,
        value: text !== null && secret ? mask(text) : text,
        source: isRefused ? "refused" : text === null ? "not set" : (one?.origin ?? "not set"),
        description,
        default: initial,
        example,
        secret
      }
    })
  )

const isUnset = ({ source }: Row): boolean => source === "default" || source === "not set"

const bySubject = (rows: ReadonlyArray<Row>): ReadonlyArray<ReadonlyArray<Cell>> =>
  [...Map.groupBy(rows, ({ subject }) => subject)].flatMap(([subject, those]) => [
    [],
    [{ text: subject, paint: "bold" }],
    ...those.map(cellsOf)
  ])

const cellsOf = (row: Row): ReadonlyArray<Cell> => [
  { text: row.key },
  row.value === null ? { text: "-", paint: "dim" } : { text: row.value },
  { text: row.source, paint: row.source === "refused" ? "red" : isUnset(row) ? "dim" : "green" },
  { text: row.description, paint: "dim" }
]

/** Returns only the kind and the length of a secret. */
const mask = (text: string): string => {
  const kind = /^(?:sb_(?:secret|publishable)_|postgres(?:ql)?:\/\/)/.exec(text)?.[0] ?? ""
  return `${kind}•••••• (${text.length} characters)`
}
