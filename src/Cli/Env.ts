import { Effect, Schema } from "effect"
import { inspect } from "../Config/Load.ts"
import { table as settings } from "../Config.ts"
import type { Main } from "./Command.ts"
import { safe } from "./Style.ts"
import { type Cell, table } from "./Table.ts"

const Problem = Schema.Struct({
  key: Schema.String,
  what: Schema.String,
  why: Schema.String,
  fix: Schema.String
})

/** Every setting; `value` is masked where it is secret, `source` says where it came from. */
export const json = Schema.Struct({
  settings: Schema.Array(
    Schema.Struct({
      key: Schema.String,
      value: Schema.NullOr(Schema.String),
      source: Schema.String,
      description: Schema.String,
      default: Schema.NullOr(Schema.String),
      example: Schema.String,
      secret: Schema.Boolean
    })
  ),
  problems: Schema.Array(Problem),
  warnings: Schema.Array(Schema.String)
})

/** `env`: every setting with its value and where that comes from. Exit 2 when one of them is malformed. */
export const main: Main = ({ sources, terminal }) =>
  Effect.gen(function* () {
    const { found, problems, warnings } = inspect(sources())
    const rows = Object.values(settings).map((setting) => {
      const one = found.get(setting.key)
      const problem = problems.find(({ key }) => key === setting.key)
      const text = one?.text ?? null
      return {
        key: setting.key,
        value: text !== null && setting.secret ? mask(text) : text,
        source:
          problem !== undefined
            ? "refused"
            : text === null
              ? "not set"
              : (one?.origin ?? "not set"),
        description: setting.description,
        default: setting.initial,
        example: setting.example,
        secret: setting.secret
      }
    })
    const { format, print, printJson, style } = terminal
    if (format === "json") {
      yield* printJson({ settings: rows, problems, warnings })
    } else if (format === "jsonl") {
      for (const row of rows) yield* printJson(row)
    } else {
      const lines = table(
        [{ title: "SETTING" }, { title: "VALUE" }, { title: "FROM" }, { title: "WHAT IT IS FOR" }],
        rows.map(
          (row): ReadonlyArray<Cell> => [
            { text: row.key },
            row.value === null ? { text: "-", paint: "dim" } : { text: row.value },
            row.source === "refused"
              ? { text: row.source, paint: "red" }
              : row.source === "default" || row.source === "not set"
                ? { text: row.source, paint: "dim" }
                : { text: row.source, paint: "green" },
            { text: row.description, paint: "dim" }
          ]
        ),
        style,
        terminal.width
      )
      yield* print(lines.join("\n"))
      for (const { fix, what, why } of problems) {
        terminal.note(`error: ${safe(`${what}: ${why}`)}\n  fix: ${safe(fix)}`)
      }
      for (const warning of warnings) terminal.note(`warning: ${safe(warning)}`)
    }
    return problems.length === 0 ? (0 as const) : (2 as const)
  })

/** Enough to tell two keys apart, nothing to use: the kind of a key, never a byte of the secret itself. */
const mask = (text: string): string => {
  const kind = /^(?:sb_(?:secret|publishable)_|postgres(?:ql)?:\/\/)/.exec(text)?.[0] ?? ""
  return `${kind}•••••• (${text.length} characters)`
}
