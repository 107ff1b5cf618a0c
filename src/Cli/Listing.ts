import { format } from "../Domain/Instant.ts"
import { shortInstant } from "../Domain/Schedule/Schedule.ts"
import type { Severity } from "../Domain/State.ts"
import { safe } from "./Style.ts"
import { type Cell, renderTable, wrap } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"

/**
 * A column of a list. `show` returns the cell in text output, and `plain` the value in TSV. Either is null if its format omits
 * the column.
 */
export interface Field<A> {
  readonly title: string
  /** The column's name in `-o tsv`; the default is the title in lower case. */
  readonly name?: string
  readonly align?: "left" | "right"
  readonly show: ((row: A) => Cell) | null
  /**
   * How rows are shortened on a narrow terminal. Columns with `leave out` are omitted first, starting from the right. If the
   * rows still do not fit, the column with `cut` is shortened.
   */
  readonly narrow?: "leave out" | "cut"
  readonly plain: ((row: A) => string | number | null) | null
}

/**
 * Formats rows as tab-separated values for programs: a header line, then one line per row. Times are RFC 3339 in UTC,
 * durations in milliseconds; a missing value is empty.
 */
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

/**
 * Formats rows for people: as a table that fits the terminal's width or, without a terminal, as one line per row. Returns no
 * lines if there are no rows.
 */
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

/**
 * Returns the number of characters by which the columns exceed the terminal's width. The last column is not counted, because it
 * may wrap below its row.
 */
const excess = (columns: ReadonlyArray<Filled>, width: number): number =>
  columns.slice(0, -1).reduce((sum, column) => sum + widthOf(column) + GAP, -GAP) - width

/** Fits the columns to the width: omits columns and shortens one, as necessary. */
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

/** The colour of each severity, shown in addition to the word and the symbol. */
export const PAINT: Readonly<Record<Severity, NonNullable<Cell["paint"]>>> = {
  critical: "red",
  warning: "yellow",
  active: "bold",
  idle: "dim",
  ok: "green"
}

/** Formats an instant for programs. Returns an empty string for null. */
export const plainInstant = (at: number | null): string => (at === null ? "" : format(at))

/** The current time, and the zone of all times in a list. The column's title names the zone. */
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

/** Truncates a name to its maximum width in a list. */
export const nameOf = (text: string): string => cut(text, NAME)

/**
 * Truncates text to a width in terminal columns, and removes characters that could move the cursor. Wide characters count as
 * two.
 */
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

/** Wraps and indents a sentence to fit the terminal. Without a terminal, the sentence stays on one line. */
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
