/** Terminal colours. Without colours, each function returns the text unchanged. */
export interface Style {
  readonly green: (text: string) => string
  readonly red: (text: string) => string
  readonly yellow: (text: string) => string
  readonly dim: (text: string) => string
  readonly bold: (text: string) => string
}

const paint =
  (open: number, close: number) =>
  (text: string): string =>
    `\u001b[${open}m${text}\u001b[${close}m`

const plain = (text: string): string => text

export const noStyle: Style = { green: plain, red: plain, yellow: plain, dim: plain, bold: plain }

const colours: Style = {
  green: paint(32, 39),
  red: paint(31, 39),
  yellow: paint(33, 39),
  dim: paint(2, 22),
  bold: paint(1, 22)
}

/** Returns colours for a terminal, unless NO_COLOR has a value (https://no-color.org). */
export const styleFor = (
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>
): Style => {
  const unwanted = (environment.NO_COLOR ?? "") !== "" || environment.TERM === "dumb"
  return isTerminal && !unwanted ? colours : noStyle
}

// Matches escape sequences first (colours, titles, hyperlinks), then the remaining control characters.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches them on purpose
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?/g

/** Excludes the invisible characters that some writing systems and emoji need. */
const CONTROLS =
  /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\u200c\u200d\p{Variation_Selector}]]+/gv

/** Returns external text on one line, without characters that move the cursor, change the text direction, or are invisible. */
export const safe = (text: string): string => text.replace(ESCAPES, "").replace(CONTROLS, " ")

const UNSEEN = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gv

/** Escapes control characters and invisible characters in JSON. The value of the JSON stays the same. */
export const escapeJson = (json: string): string =>
  json.replace(UNSEEN, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join("")
  )
