import type { Style } from "./Style.ts"
import { safe } from "./Style.ts"

/** A cell: its text, and how it is painted where there are colours. */
export interface Cell {
  readonly text: string
  readonly paint?: keyof Style
}

/** A column: its title, and on which side its cells stand. */
export interface Column {
  readonly title: string
  readonly align?: "left" | "right"
}

const GAP = 2
/** The last column is not cut below this: then the terminal wraps it. */
const LEAST = 16

/**
 * Lines of aligned columns under a title line. With a width, the last column is cut to it with `…`; without one
 * (not a terminal) nothing is cut. Wide characters count as two.
 */
export const table = (
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
  const room = width === null ? Number.POSITIVE_INFINITY : Math.max(width - before, LEAST)
  const line = (cells: ReadonlyArray<Cell>): string =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? { text: "" }
        const isLast = index === columns.length - 1
        const text = isLast ? cut(cell.text, room) : cell.text
        const painted = cell.paint === undefined ? text : style[cell.paint](text)
        const padding = " ".repeat(Math.max((widths[index] ?? 0) - Bun.stringWidth(text), 0))
        if (align === "right") return padding + painted
        return isLast ? painted : painted + padding
      })
      .join(" ".repeat(GAP))
      .trimEnd()
  const titles = columns.map(({ title }): Cell => ({ text: title, paint: "dim" }))
  return [line(titles), ...clean.map(line)]
}

const cut = (text: string, room: number): string => {
  if (Bun.stringWidth(text) <= room) return text
  let kept = ""
  let width = 0
  for (const character of text) {
    width += Bun.stringWidth(character)
    if (width > room - 1) break
    kept += character
  }
  return `${kept}…`
}
