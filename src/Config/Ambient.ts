/** An environment variable that affects the Bun runtime but is not a scheduler setting. */
interface AmbientVariable {
  readonly name: string
  readonly effect: string
}

/**
 * Variables that must not reach the engine by accident. The binary, the npm command, the systemd units and the images all drop
 * them. BUN_BE_BUN takes effect before the binary's own code, so only the caller can drop it.
 * *Source*: tested with Bun 1.4.5 (test/environment.test.ts). `NODE_OPTIONS` had no effect.
 */
export const hostileVariables: ReadonlyArray<AmbientVariable> = [
  { name: "BUN_BE_BUN", effect: "makes the binary act as the bun command" },
  { name: "BUN_OPTIONS", effect: "runs other code first, or opens a debugger" },
  { name: "BUN_INSPECT", effect: "opens a debugger port" },
  { name: "BUN_INSPECT_CONNECT_TO", effect: "connects the program to a remote debugger" },
  { name: "BUN_INSPECT_NOTIFY", effect: "notifies a debugger that the program has started" },
  { name: "BUN_INSPECT_PRELOAD", effect: "loads a debugger's code first" },
  { name: "BUN_CONFIG_VERBOSE_FETCH", effect: "prints every request, including the key" },
  {
    name: "BUN_FEATURE_FLAG_EXPERIMENTAL_HTTP2_CLIENT",
    effect: "sends requests with another HTTP client"
  },
  {
    name: "BUN_FEATURE_FLAG_EXPERIMENTAL_HTTP3_CLIENT",
    effect: "sends requests with another HTTP client"
  },
  { name: "NODE_TLS_REJECT_UNAUTHORIZED", effect: "can disable certificate checks" }
]

/** Variables that stay in effect, because they configure the network or the machine. `env` and `doctor` show them. */
export const obeyedVariables: ReadonlyArray<AmbientVariable> = [
  ...["HTTPS_PROXY", "https_proxy"].map((name) => ({ name, effect: "proxy for https URLs" })),
  ...["HTTP_PROXY", "http_proxy"].map((name) => ({ name, effect: "proxy for http URLs" })),
  ...["ALL_PROXY", "all_proxy"].map((name) => ({ name, effect: "proxy for all URLs" })),
  ...["NO_PROXY", "no_proxy"].map((name) => ({
    name,
    effect: "hosts that are reached without a proxy"
  })),
  { name: "NODE_EXTRA_CA_CERTS", effect: "additional trusted certificate authorities" },
  { name: "SSL_CERT_FILE", effect: "additional trusted certificate authorities" },
  { name: "SSL_CERT_DIR", effect: "additional trusted certificate authorities" },
  { name: "NODE_USE_SYSTEM_CA", effect: "also trusts the system's certificate authorities" },
  { name: "BUN_CONFIG_MAX_HTTP_REQUESTS", effect: "maximum number of concurrent requests" }
]

type Environment = Readonly<Record<string, string | undefined>>

/** The variable that passes the names of the dropped variables to the restarted process. */
export const IGNORED = "SYNC_SCHEDULER_IGNORED"

export const ignoredWarnings = (environment: Environment): ReadonlyArray<string> => {
  const names = new Set((environment[IGNORED] ?? "").split(","))
  return hostileVariables
    .filter(({ name }) => names.has(name))
    .map(({ effect, name }) => `${name} is ignored: it ${effect}`)
}

/** Returns the variables in `obeyedVariables` that are set. Removes proxy credentials from their values. */
export const ambientOf = (
  environment: Environment
): ReadonlyArray<{ readonly name: string; readonly value: string; readonly effect: string }> =>
  obeyedVariables.flatMap(({ effect, name }) => {
    const value = environment[name] ?? ""
    return value === "" ? [] : [{ name, value: value.replace(/^(.*:\/\/)?.*@/, "$1"), effect }]
  })

/** Bun's default limit on concurrent requests, and the number of requests that a tick needs in addition to its invocations. */
const BUNS_REQUESTS = 256
const OTHER_REQUESTS = 56

/**
 * Returns the environment to restart this program with, or null if `environment` is already suitable. Bun queues requests that
 * exceed its limit, and their timeouts run while they are queued.
 */
export const cleanEnvironment = (
  environment: Environment,
  argv: ReadonlyArray<string>
): Record<string, string> | null => {
  const names = hostileVariables
    .filter(({ name }) => isSet(environment[name]))
    .map(({ name }) => name)
  const most = environment.BUN_CONFIG_MAX_HTTP_REQUESTS
  const wanted = Math.max(BUNS_REQUESTS, concurrencyOf(environment, argv) + OTHER_REQUESTS)
  const isTight = (isSet(most) ? Number(most) : BUNS_REQUESTS) < wanted
  if (names.length === 0 && !isTight) return null
  const kept = Object.entries(environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !names.includes(entry[0])
  )
  return {
    ...Object.fromEntries(kept),
    ...(names.length === 0 ? {} : { [IGNORED]: names.join(",") }),
    ...(isTight ? { BUN_CONFIG_MAX_HTTP_REQUESTS: String(wanted) } : {})
  }
}

const isSet = (text: string | undefined): text is string => text !== undefined && text !== ""

/** Reads the concurrency from the flag, or else from the environment, because the settings have not been read yet. */
const concurrencyOf = (environment: Environment, argv: ReadonlyArray<string>): number => {
  const [, text = environment.SYNC_SCHEDULER_CONCURRENCY] =
    /(?:^| )--concurrency[= ](\d+)/.exec(argv.join(" ")) ?? []
  const value = Number(text)
  return value > 0 && value <= 1000 ? value : 0
}
