import {
  Cause,
  Effect,
  FiberRef,
  HashMap,
  HashSet,
  Inspectable,
  List,
  Logger,
  LogLevel
} from "effect"
import type { Settings } from "../Config.ts"
import { escapeJson, type Style, safe } from "./Style.ts"

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

/** Formats one line for people. The text comes last, because it may end in a command to paste. */
const textLogger = (style: Style) =>
  Logger.make<unknown, string>(({ annotations, cause, date, logLevel, message }) => {
    const [word, paint] = WORDS[logLevel.label] ?? [logLevel.label.toLowerCase(), "dim"]
    const parts = Array.isArray(message) ? message : [message]
    const pairs = HashMap.toEntries(annotations).map(([key, value]) => `${key}=${show(value)}`)
    const why = Cause.isEmpty(cause) ? [] : [Cause.pretty(cause)]
    const text = [...pairs, ...parts.map(show), ...why].join(" ")
    return `${style.dim(date.toISOString())} ${style[paint](word)} ${safe(text)}`
  })

const show = (value: unknown): string =>
  typeof value === "string" ? value : Inspectable.stringifyCircular(value)

const jsonLogger = Logger.make<unknown, string>(
  ({ annotations, cause, date, logLevel, message, spans }) => {
    const line = Inspectable.stringifyCircular({
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
    return escapeJson(line)
  }
)

/** `write` receives one line at a time. Uses no layer, because the first layer of a process adds 4 ms to start-up. */
export const withLogging = (
  { logFormat, logLevel }: Pick<Settings, "logFormat" | "logLevel">,
  style: Style,
  write: (line: string) => void
) => {
  const logger = Logger.map(logFormat === "json" ? jsonLogger : textLogger(style), write)
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    effect.pipe(
      Effect.locallyWith(FiberRef.currentLoggers, (all) =>
        HashSet.add(HashSet.remove(all, Logger.defaultLogger), logger)
      ),
      Logger.withMinimumLogLevel(LEVELS[logLevel])
    )
}
