/** Markup that is safe to insert into a page. Only `html` creates it. */
export class Html {
  readonly markup: string
  constructor(markup: string) {
    this.markup = markup
  }
}

/** The values of a template. Text is escaped, markup is inserted unchanged, and the other values are omitted. */
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

/** Escapes text for an element or a quoted attribute. */
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

/** Creates markup. A value can be an element's content or a quoted attribute, but never a script, a style or a name. */
export const html = (strings: TemplateStringsArray, ...values: ReadonlyArray<Content>): Html => {
  let markup = strings[0] ?? ""
  for (let index = 0; index < values.length; index += 1) {
    markup += show(values[index]) + (strings[index + 1] ?? "")
  }
  return new Html(markup)
}

export const empty = new Html("")

export const join = (parts: ReadonlyArray<Html>, between: Html): Html =>
  new Html(parts.map(({ markup }) => markup).join(between.markup))

/** Truncates text to `most` characters, including the ellipsis. */
export const clip = (text: string, most: number): string => {
  if (text.length <= most) return text
  const characters = [...text]
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`
}
