import type { Style } from "./Style.ts"
import { safe } from "./Style.ts"

export interface Cell {
  readonly text: string
  readonly paint?: keyof Style
}

export interface Column {
  readonly title: string
  readonly align?: "left" | "right"
}

const GAP = 2
const INDENT = "    "
/** The minimum width of wrapped text. */
const LEAST = 20

/**
 * Formats aligned columns under a title line. If `width` is null, every row is one line. Otherwise, the last cell of a row is
 * wrapped if it does not fit. The last title is omitted if it does not fit.
 */
export const renderTable = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<ReadonlyArray<Cell>>,
  style: Style,
  width: number | null
): ReadonlyArray<string> => {
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: safe(cell.text) })))
  const widths = columns.map(({ title }, index) =>
    clean.reduce(
      (widest, row) => Math.max(widest, Bun.stringWidth(row[index]?.text ?? "")),
      title.length
    )
  )
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP, 0)
  const room = width === null ? Number.POSITIVE_INFINITY : width - before
  const line = (cells: ReadonlyArray<Cell>, isTitle = false): ReadonlyArray<string> => {
    const last = cells[columns.length - 1] ?? { text: "" }
    const fits = last.text === "" || Bun.stringWidth(last.text) <= room
    const painted = columns.map(({ align }, index) => {
      const cell = index === columns.length - 1 && !fits ? { text: "" } : cells[index]
      const text = cell?.text ?? ""
      const padding = " ".repeat(Math.max((widths[index] ?? 0) - Bun.stringWidth(text), 0))
      return align === "right"
        ? padding + paint(text, cell, style)
        : paint(text, cell, style) + padding
    })
    const below =
      fits || isTitle || width === null ? [] : wrap(last.text, Math.max(width - 4, LEAST))
    return [
      painted.join(" ".repeat(GAP)).trimEnd(),
      ...below.map((text) => INDENT + paint(text, last, style))
    ]
  }
  const titles = columns.map(({ title }): Cell => ({ text: title, paint: "dim" }))
  return [...line(titles, true), ...clean.flatMap((row) => line(row))]
}

const paint = (text: string, cell: Cell | undefined, style: Style): string =>
  cell?.paint === undefined || text === "" ? text : style[cell.paint](text)

/** Wraps text at word boundaries. Breaks a word that is longer than the width. */
export const wrap = (text: string, width: number): ReadonlyArray<string> =>
  Bun.wrapAnsi(text, width, { hard: true, trim: true }).split("\n")
