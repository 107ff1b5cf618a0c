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
  return table(
    shown,
    rows.map((row) => shown.map(({ show }) => show(row))),
    style,
    width
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

/** A name cut to a terminal's room, without what could move the cursor. Wide characters count as two. */
export const cut = (text: string, width: number | null): string => {
  const clean = safe(text)
  const room = width === null ? Number.POSITIVE_INFINITY : width < 110 ? 18 : 32
  if (Bun.stringWidth(clean) <= room) return clean
  let short = ""
  for (const { segment } of new Intl.Segmenter().segment(clean)) {
    if (Bun.stringWidth(short + segment) >= room) break
    short += segment
  }
  return `${short}…`
}

/** The shortest beginning of an id, at least eight digits, that no other of these ids has. */
export const shortIds = (ids: ReadonlyArray<string>): ((id: string) => string) => {
  const counts = new Map<string, number>()
  for (const id of new Set(ids)) {
    const short = id.slice(0, 8)
    counts.set(short, (counts.get(short) ?? 0) + 1)
  }
  return (id) => ((counts.get(id.slice(0, 8)) ?? 1) > 1 ? id : id.slice(0, 8))
}

/** A sentence that fits the terminal, what does not fit indented below; one line where there is no terminal. */
export const prose = (text: string, { width }: Pick<Terminal, "width">): ReadonlyArray<string> => {
  if (width === null || Bun.stringWidth(text) <= width) return [text]
  const [first = "", ...rest] = wrap(text, width - 2)
  return [first, ...rest.map((line) => `  ${line}`)]
}
