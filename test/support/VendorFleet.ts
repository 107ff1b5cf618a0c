import { serveVendor, type VendorServer } from "./VendorServer.ts"

interface ThrottlingStyle {
  readonly type: string
  readonly throttle: () => Response
  /** `left` is the number of calls left in the window. */
  readonly quota?: (left: number) => Record<string, string>
}

const graphql = (code: string) => Response.json({ errors: [{ code, message: "slow down" }] })
const status = (code: number, body: unknown, headers: Record<string, string> = {}) =>
  Response.json(body, { status: code, headers })

/** One entry for each row of the table in src/Domain/Health/ProviderTable.ts. */
export const THROTTLING_STYLES: ReadonlyArray<ThrottlingStyle> = [
  { type: "xledger", throttle: () => graphql("BAD_REQUEST.BURST_RATE_LIMIT_REACHED") },
  { type: "businesscentral", throttle: () => status(429, { error: { code: "429" } }) },
  { type: "d365fo", throttle: () => status(429, {}, { "retry-after": "40" }) },
  { type: "fortnox", throttle: () => status(429, { message: "Rate limit" }) },
  {
    type: "eaccounting",
    throttle: () =>
      status(429, {
        ErrorCode: 4010,
        DeveloperErrorMessage: "API calls quota exceeded! Try again in 55 seconds."
      })
  },
  {
    type: "vismanet",
    throttle: () => status(429, {}, { "retry-after": "120" }),
    quota: (left) => ({
      "x-ratelimit-limit": "500",
      "x-ratelimit-remaining": String(400 + left),
      "x-ratelimit-reset": "1800"
    })
  },
  { type: "tripletex", throttle: () => status(429, {}, { "x-rate-limit-reset": "30" }) },
  {
    type: "netsuite",
    throttle: () => status(400, { error: { code: "SSS_REQUEST_LIMIT_EXCEEDED" } })
  },
  {
    type: "quickbooks",
    throttle: () => status(429, { Fault: { Error: [{ code: "003001" }] } })
  },
  {
    type: "xero",
    throttle: () => status(429, {}, { "retry-after": "20" }),
    quota: (left) => ({ "x-daylimit-remaining": "4200", "x-minlimit-remaining": String(40 + left) })
  },
  { type: "payroll", throttle: () => status(429, {}, { "retry-after": "15" }) }
]

/** Allows a limited number of syncs per minute of simulated time, and throttles the others. */
export interface Vendor {
  readonly type: string
  readonly host: string
  readonly url: string
  readonly probes: Array<number>
  readonly syncs: Array<number>
  throttled: number
  isDown: boolean
  readonly close: () => Promise<void>
}

/** The User-Agent distinguishes the scheduler's probes from the functions' syncs. */
export const serveVendors = (now: () => number, perMinute: number): ReadonlyArray<Vendor> =>
  THROTTLING_STYLES.map(({ quota, throttle, type }) => {
    const server: VendorServer = serveVendor()
    const host = `${type}.vendor.test:${server.port}`
    const vendor: Vendor = {
      ...{ type, host, url: `https://${host}/health`, probes: [], syncs: [] },
      ...{ throttled: 0, isDown: false, close: server.close }
    }
    server.answer((request) => {
      const isProbe = (request.headers.get("user-agent") ?? "").startsWith("sync-scheduler/")
      const times = isProbe ? vendor.probes : vendor.syncs
      times.push(now())
      if (vendor.isDown) return new Response("down", { status: 503 })
      if (isProbe) return new Response(null, { status: 401 })
      const recent = vendor.syncs.filter((at) => at > now() - 60_000).length
      const left = perMinute - recent
      if (left >= 0) return Response.json({ ok: true }, { headers: quota?.(left) ?? {} })
      vendor.throttled += 1
      return throttle()
    })
    return vendor
  })
