import { pageOf, targetOf } from "./Pages.ts"

/** A navigation entry in VitePress's format. */
export interface Entry {
  readonly text: string
  readonly link?: string
  readonly collapsed?: boolean
  readonly items?: ReadonlyArray<Entry>
}

const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`

/** Returns the pages that a text links to, without duplicates. `rename` gives titles that differ from the link text. */
const entriesOf = (
  from: string,
  text: string,
  isWanted: (page: string) => boolean,
  rename: (name: string, page: string) => string = capital
): ReadonlyArray<Entry> => {
  const found = new Map<string, Entry>()
  for (const [, name = "", link = ""] of text.matchAll(/\[([^\]]+)\]\(([^()\s]+)\)/g)) {
    const page = pageOf(targetOf(from, link).path)
    if (page === undefined || !isWanted(page) || found.has(page)) continue
    found.set(page, { text: rename(name.replaceAll("`", ""), page), link: `/${page}` })
  }
  return [...found.values()]
}

/** Returns the list in docs/README.md, without the decision records. Bold lines become groups. */
export const tasks = (index: string): ReadonlyArray<Entry> => {
  const [list = ""] = index.split(/^## /m)
  const [, ...groups] = list.split(/^\*\*(.+)\*\*$/m)
  return Array.from({ length: groups.length / 2 }, (_, n) => ({
    text: groups[2 * n] ?? "",
    items: entriesOf("docs/README.md", groups[2 * n + 1] ?? "", (page) => !page.startsWith("adr/"))
  }))
}

export const runbooks = (index: string): ReadonlyArray<Entry> => [
  {
    text: "Runbooks",
    items: entriesOf("docs/runbooks/README.md", index, (page) => page.startsWith("runbooks/"))
  }
]

/** Returns the decision records by number and title. */
export const decisions = (index: string): ReadonlyArray<Entry> => {
  const titles = new Map(
    [...index.matchAll(/^\| \[(\d+)\]\((\S+)\) \| (.+?) \|/gm)].map(
      ([, number = "", file = "", title = ""]) => [`adr/${file}`, `${number}. ${title}`]
    )
  )
  const items = entriesOf(
    "docs/adr/README.md",
    index,
    (page) => page.startsWith("adr/"),
    (name, page) => titles.get(page) ?? name
  )
  return [{ text: "Decisions", link: "/adr/index.md", items }]
}
