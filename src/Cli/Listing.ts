import { format } from "../Domain/Instant.ts"
import { shortInstant } from "../Domain/Schedule/Schedule.ts"
import type { Severity } from "../Domain/State.ts"
import { safe } from "./Style.ts"
import { type Cell, renderTable, wrap } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"

/**
 * A column of a list. `show` returns the cell for text output, and `plain` returns the value for TSV. If one is null, that output
 * omits the column.
 */
export interface Field<A> {
  readonly title: string
  /** The column's name in `-o tsv`; the default is the title in lower case. */
  readonly name?: string
  readonly align?: "left" | "right"
  readonly show: ((row: A) => Cell) | null
  /**
   * On a narrow terminal, columns with `leave out` are omitted first, from the right. Then the column with `cut` is shortened.
   */
  readonly narrow?: "leave out" | "cut"
  readonly plain: ((row: A) => string | number | null) | null
}

/** Formats rows as tab-separated values. Times are RFC 3339 in UTC, durations are in ms, and a missing value is empty. */
export const tsv = <A>(
  fields: ReadonlyArray<Field<A>>,
  rows: ReadonlyArray<A>
): ReadonlyArray<string> => {
  const columns = fields.flatMap(({ name, plain, title }) =>
    plain === null ? [] : [{ name: name ?? title.toLowerCase().replaceAll(" ", "_"), plain }]
  )
  return [
    columns.map(({ name }) => name).join("\t"),
    ...rows.map((row) => columns.map(({ plain }) => safe(String(plain(row) ?? ""))).join("\t"))
  ]
}

/** Formats rows for people, as a table that fits the terminal's width. Returns no lines if there are no rows. */
export const listing = <A>(
  fields: ReadonlyArray<Field<A>>,
  rows: ReadonlyArray<A>,
  { style, width }: Pick<Terminal, "style" | "width">
): ReadonlyArray<string> => {
  if (rows.length === 0) return []
  const shown = fields.flatMap((field) =>
    field.show === null ? [] : [{ ...field, show: field.show }]
  )
  const columns = fitted(
    shown.map(({ show, ...field }) => ({ ...field, cells: rows.map((row) => show(row)) })),
    width
  )
  return renderTable(
    columns,
    rows.map((_, index) => columns.map(({ cells }) => cells[index] ?? { text: "" })),
    style,
    width
  )
}

interface Filled extends Pick<Field<never>, "title" | "align" | "narrow"> {
  readonly cells: ReadonlyArray<Cell>
}

const GAP = 2
const LEAST = 6

const widthOf = ({ cells, title }: Filled): number =>
  cells.reduce((most, { text }) => Math.max(most, Bun.stringWidth(safe(text))), title.length)

/** The last column is not counted, because it can wrap below its row. */
const excess = (columns: ReadonlyArray<Filled>, width: number): number =>
  columns.slice(0, -1).reduce((sum, column) => sum + widthOf(column) + GAP, -GAP) - width

const fitted = (columns: ReadonlyArray<Filled>, width: number | null): ReadonlyArray<Filled> => {
  if (width === null) return columns
  const over = excess(columns, width)
  if (over <= 0) return columns
  const last = columns.findLastIndex(({ narrow }) => narrow === "leave out")
  if (last !== -1) return fitted(columns.toSpliced(last, 1), width)
  return columns.map((column) =>
    column.narrow === "cut"
      ? {
          ...column,
          cells: column.cells.map((cell) => ({
            ...cell,
            text: cut(cell.text, Math.max(widthOf(column) - over, LEAST))
          }))
        }
      : column
  )
}

export const PAINT: Readonly<Record<Severity, NonNullable<Cell["paint"]>>> = {
  critical: "red",
  warning: "yellow",
  active: "bold",
  idle: "dim",
  ok: "green"
}

export const plainInstant = (at: number | null): string => (at === null ? "" : format(at))

/** The zone of all times in a list, and the current time. The title of a time column names the zone. */
export interface ListClock {
  readonly zone: string
  readonly now: number
}

/** Formats a time in a list: `09:00` or `11-19 02:00`, or `-` for null. */
export const shortTime = (at: number | null, { now, zone }: ListClock): string =>
  at === null ? "-" : shortInstant(at, zone, now)

/** Returns the title of a time column, such as `DUE (Europe/Oslo)`. */
export const timeTitle = (title: string, { zone }: ListClock): string => `${title} (${zone})`

/** The maximum width of a name in a list. */
const NAME = 32

export const nameOf = (text: string): string => cut(text, NAME)

/** Truncates text to a width in terminal columns. Removes characters that could move the cursor. */
const cut = (text: string, room: number): string => {
  const clean = safe(text)
  if (Bun.stringWidth(clean) <= room) return clean
  let short = ""
  for (const { segment } of new Intl.Segmenter().segment(clean)) {
    if (Bun.stringWidth(short + segment) >= room) break
    short += segment
  }
  return `${short}…`
}

/** Wraps a sentence to the width of the terminal, if there is one. */
export const prose = (text: string, { width }: Pick<Terminal, "width">): ReadonlyArray<string> => {
  if (width === null || Bun.stringWidth(text) <= width) return [text]
  const indent = " ".repeat(text.search(/\S|$/))
  const [first = "", ...rest] = wrap(text.trim(), width - indent.length - 2)
  return [indent + first, ...rest.map((line) => `${indent}  ${line}`)]
}

/** Formats a sentence after a coloured mark, such as `✓`. */
export const lead = (
  mark: string,
  paint: NonNullable<Cell["paint"]>,
  text: string,
  terminal: Pick<Terminal, "style" | "width">
): ReadonlyArray<string> =>
  prose(`${mark} ${text}`, terminal).map((line, n) =>
    n === 0 && line.startsWith(mark) ? terminal.style[paint](mark) + line.slice(mark.length) : line
  )
