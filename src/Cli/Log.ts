import { Cause, HashMap, Inspectable, Layer, List, Logger, LogLevel } from "effect"
import type { Settings } from "../Config.ts"
import { type Style, safe } from "./Style.ts"

const LEVELS: Record<Settings["logLevel"], LogLevel.LogLevel> = {
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  none: LogLevel.None
}

const WORDS: Readonly<Record<string, readonly [word: string, paint: keyof Style]>> = {
  DEBUG: ["debug", "dim"],
  INFO: ["info", "green"],
  WARN: ["warning", "yellow"],
  ERROR: ["error", "red"],
  FATAL: ["error", "red"]
}

/** One line for people: `2026-11-24T02:00:00.000Z warning text key=value`. */
const textLogger = (style: Style) =>
  Logger.make<unknown, string>(({ annotations, cause, date, logLevel, message }) => {
    const [word, paint] = WORDS[logLevel.label] ?? [logLevel.label.toLowerCase(), "dim"]
    const parts = Array.isArray(message) ? message : [message]
    const pairs = HashMap.toEntries(annotations).map(([key, value]) => `${key}=${show(value)}`)
    const why = Cause.isEmpty(cause) ? [] : [Cause.pretty(cause)]
    const text = [...parts.map(show), ...pairs, ...why].join(" ")
    return `${style.dim(date.toISOString())} ${style[paint](word)} ${safe(text)}`
  })

const show = (value: unknown): string =>
  typeof value === "string" ? value : Inspectable.stringifyCircular(value)

/** One JSON object for each line: time, level, message, and what is known of where it comes from. */
const jsonLogger = Logger.make<unknown, string>(
  ({ annotations, cause, date, logLevel, message, spans }) =>
    Inspectable.stringifyCircular({
      time: date.toISOString(),
      level: WORDS[logLevel.label]?.[0] ?? logLevel.label.toLowerCase(),
      message: (Array.isArray(message) ? message : [message]).map(show).join(" "),
      ...Object.fromEntries(HashMap.toEntries(annotations)),
      ...(List.isNil(spans)
        ? {}
        : {
            spans: Object.fromEntries(
              List.toArray(spans).map(({ label, startTime }) => [label, date.getTime() - startTime])
            )
          }),
      ...(Cause.isEmpty(cause) ? {} : { cause: Cause.pretty(cause) })
    })
)

/** Logging as the settings want it. `write` takes one line; it goes to stderr, never to stdout. */
export const logging = (
  { logFormat, logLevel }: Pick<Settings, "logFormat" | "logLevel">,
  style: Style,
  write: (line: string) => void
) => {
  const logger = logFormat === "json" ? jsonLogger : textLogger(style)
  return Layer.merge(
    Logger.replace(Logger.defaultLogger, Logger.map(logger, write)),
    Logger.minimumLogLevel(LEVELS[logLevel])
  )
}
