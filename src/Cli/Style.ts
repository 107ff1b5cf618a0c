/** Colours of the terminal; each one leaves the text as it is where colours are off. */
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

/** Without colours: not a terminal, or the user does not want them. */
export const noStyle: Style = { green: plain, red: plain, yellow: plain, dim: plain, bold: plain }

const colours: Style = {
  green: paint(32, 39),
  red: paint(31, 39),
  yellow: paint(33, 39),
  dim: paint(2, 22),
  bold: paint(1, 22)
}

/** Colours only on a terminal that can show them, and not when NO_COLOR has any value (https://no-color.org). */
export const styleFor = (
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>
): Style => {
  const unwanted = (environment.NO_COLOR ?? "") !== "" || environment.TERM === "dumb"
  return isTerminal && !unwanted ? colours : noStyle
}

// Escape sequences first (colours, titles, hyperlinks), then what is left of control characters.
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this takes out
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)?/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this takes out
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g

/** Text of others on one line, without anything that moves the cursor or turns the writing around. */
export const safe = (text: string): string => text.replace(ESCAPES, "").replace(CONTROLS, " ")
