/** Markup that is safe to put into a page. Only `html` makes it, so that nothing gets in unescaped. */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

/** What may stand in a template: text is escaped, markup stands as it is, the rest leaves nothing. */
export type Content = string | number | Html | ReadonlyArray<Html> | null | undefined | false

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}
const SPECIAL = /[&<>"']/
const ALL_SPECIAL = /[&<>"']/g

/** Text for an element or for an attribute in quotes. */
export const escapeText = (text: string): string =>
  SPECIAL.test(text) ? text.replace(ALL_SPECIAL, (character) => ENTITIES[character] ?? "") : text

const show = (content: Content): string => {
  if (typeof content === "string") return escapeText(content)
  if (typeof content === "number") return String(content)
  if (content instanceof Html) return content.markup
  if (content === null || content === undefined || content === false) return ""
  let markup = ""
  for (const part of content) markup += part.markup
  return markup
}

/**
 * A piece of a page. Every value is escaped unless it is markup already; values stand in elements or in quoted attributes,
 * never in a script, a style, or as the name of anything.
 */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<Content>): Html => {
  let markup = strings[0] ?? ""
  for (let index = 0; index < values.length; index += 1) {
    markup += show(values[index]) + (strings[index + 1] ?? "")
  }
  return new Html(markup)
}

/** Nothing. */
export const empty = new Html("")

/** Pieces with something between them. */
export const join = (parts: ReadonlyArray<Html>, between: Html): Html =>
  new Html(parts.map(({ markup }) => markup).join(between.markup))

/** Text of at most so many characters; what is cut off is said with an ellipsis. */
export const clip = (text: string, most: number): string => {
  if (text.length <= most) return text
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`
}
