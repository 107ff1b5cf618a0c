import { format } from "../Domain/Instant.ts"
import * as Schedule from "../Domain/Schedule.ts"
import type { Tone } from "../Domain/State.ts"
import { safe } from "./Style.ts"
import { type Cell, table, wrap } from "./Table.ts"
import type { Terminal } from "./Terminal.ts"

/** A column of a list: what people see of a row, and what programs that read a pipe get (null: not for one of them). */
export interface Field<A> {
  readonly title: string
  readonly align?: "left" | "right"
  readonly show: ((row: A) => Cell) | null
  /** What gives way where a terminal is too narrow: first columns that are left out, the last one first, then one that is cut. */
  readonly narrow?: "leave out" | "cut"
  readonly plain: ((row: A) => string | number | null) | null
}

/**
 * Rows for a terminal: a table that fits its width. For anything else: a row a line, separated by tabs, without a title,
 * times in RFC 3339; an absent value is empty.
 */
export const listing = <A>(
  fields: ReadonlyArray<Field<A>>,
  rows: ReadonlyArray<A>,
  { style, width }: Pick<Terminal, "style" | "width">
): ReadonlyArray<string> => {
  if (width === null) {
    return rows.map((row) =>
      fields
        .flatMap(({ plain }) => (plain === null ? [] : [safe(String(plain(row) ?? ""))]))
        .join("\t")
    )
  }
  if (rows.length === 0) return []
  const shown = fields.flatMap((field) =>
    field.show === null ? [] : [{ ...field, show: field.show }]
  )
  const columns = fitted(
    shown.map(({ show, ...field }) => ({ ...field, cells: rows.map((row) => show(row)) })),
    width
  )
  return table(
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

/** How much wider than the terminal the columns are; what the last one holds may stand below. */
const excess = (columns: ReadonlyArray<Filled>, width: number): number =>
  columns.slice(0, -1).reduce((sum, column) => sum + widthOf(column) + GAP, -GAP) - width

/** The columns that fit: some left out, and one cut, as far as it must be. */
const fitted = (columns: ReadonlyArray<Filled>, width: number): ReadonlyArray<Filled> => {
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

/** How a tone is painted; the word and the symbol say it as well. */
export const PAINT: Readonly<Record<Tone, NonNullable<Cell["paint"]>>> = {
  bad: "red",
  warn: "yellow",
  busy: "bold",
  off: "dim",
  good: "green"
}

/** An instant for programs; empty when there is none. */
export const plainInstant = (at: number | null): string => (at === null ? "" : format(at))

/** A local time as short as it can be with its zone: `09:00 +01:00`, `11-19 02:00 +01:00`, the year when it is another. */
export const shortTime = (at: number | null, timezone: string, now: number): string => {
  if (at === null) return "-"
  const [date = "", time = "", offset = ""] = Schedule.describeInstant(at, timezone).split(" ")
  const [today = ""] = Schedule.describeInstant(now, timezone).split(" ")
  if (date === today) return `${time} ${offset}`
  return date.slice(0, 4) === today.slice(0, 4)
    ? `${date.slice(5)} ${time} ${offset}`
    : `${date} ${time} ${offset}`
}

/** How wide names may be in a list. */
const NAME = 32

/** A name as a list shows it. */
export const nameOf = (text: string): string => cut(text, NAME)

/** A text cut to some columns, without what could move the cursor. Wide characters count as two. */
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

/** A sentence that fits the terminal, what does not fit indented below; one line where there is no terminal. */
export const prose = (text: string, { width }: Pick<Terminal, "width">): ReadonlyArray<string> => {
  if (width === null || Bun.stringWidth(text) <= width) return [text]
  const indent = " ".repeat(text.search(/\S|$/))
  const [first = "", ...rest] = wrap(text.trim(), width - indent.length - 2)
  return [indent + first, ...rest.map((line) => `${indent}  ${line}`)]
}

/** A sentence behind a mark that is painted, such as `✓`. */
export const lead = (
  mark: string,
  paint: NonNullable<Cell["paint"]>,
  text: string,
  terminal: Pick<Terminal, "style" | "width">
): ReadonlyArray<string> =>
  prose(`${mark} ${text}`, terminal).map((line, n) =>
    n === 0 && line.startsWith(mark) ? terminal.style[paint](mark) + line.slice(mark.length) : line
  )
