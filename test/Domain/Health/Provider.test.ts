import { describe, expect, test } from "bun:test"
import { apiOf, probeOf } from "../../../src/Domain/Health/ApiHost.ts"
import { codesIn, isLow, judgeVendor, type Sign } from "../../../src/Domain/Health/Provider.ts"
import {
  generic,
  providerNamed,
  providerOf,
  providers
} from "../../../src/Domain/Health/ProviderTable.ts"

const NOW = Date.UTC(2026, 10, 25, 2)

const judge = (
  provider: string,
  status: number,
  body: unknown = "",
  headers: Record<string, string> = {}
): Sign =>
  judgeVendor(
    providerNamed(provider),
    {
      status,
      headers: new Headers(headers),
      codes: codesIn(body),
      text: typeof body === "string" ? body : JSON.stringify(body)
    },
    NOW
  )

const visma = {
  ErrorCode: 4010,
  DeveloperErrorMessage:
    "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds.",
  ErrorId: "3fa7da17-eeb2-48f6-997d-0be158f4cba4"
}
const xledgerError = (code: string) => ({
  errors: [{ code: `BAD_REQUEST.${code}`, message: "no" }]
})
const quickbooks = { Fault: { Error: [{ Message: "ThrottleExceeded", code: "003001" }] } }
const netsuite = {
  error: { code: "SSS_REQUEST_LIMIT_EXCEEDED", message: "Request Limit Exceeded" }
}

/** Each vendor's throttling responses, with the expected code and wait in ms. */
const throttles: ReadonlyArray<
  readonly [string, number, unknown, Record<string, string>, string, number]
> = [
  [
    "xledger",
    200,
    xledgerError("BURST_RATE_LIMIT_REACHED"),
    {},
    "BAD_REQUEST.BURST_RATE_LIMIT_REACHED",
    60_000
  ],
  [
    "xledger",
    200,
    xledgerError("CONCURRENCY_LIMIT_REACHED"),
    {},
    "BAD_REQUEST.CONCURRENCY_LIMIT_REACHED",
    60_000
  ],
  [
    "xledger",
    200,
    xledgerError("INSUFFICIENT_CREDITS"),
    {},
    "BAD_REQUEST.INSUFFICIENT_CREDITS",
    60_000
  ],
  ["business_central", 429, "", {}, "HTTP_429", 60_000],
  ["dynamics_finance", 429, "", {}, "HTTP_429", 30_000],
  ["dynamics_finance", 429, "", { "retry-after": "17" }, "HTTP_429", 17_000],
  ["fortnox", 429, "", {}, "HTTP_429", 5_000],
  ["visma_eaccounting", 429, visma, {}, "4010", 55_000],
  ["visma_net", 429, "", { "retry-after": "1200" }, "HTTP_429", 1_200_000],
  ["visma_net", 429, "", { "x-ratelimit-reset": "90" }, "HTTP_429", 90_000],
  [
    "visma_net",
    200,
    "",
    { "x-ratelimit-remaining": "0", "x-ratelimit-limit": "500", "x-ratelimit-reset": "840" },
    "QUOTA_USED_UP",
    840_000
  ],
  ["tripletex", 429, "", { "x-rate-limit-reset": "12" }, "HTTP_429", 12_000],
  ["netsuite", 400, netsuite, {}, "SSS_REQUEST_LIMIT_EXCEEDED", 30_000],
  ["netsuite", 429, "", {}, "HTTP_429", 30_000],
  ["quickbooks", 429, quickbooks, {}, "003001", 60_000],
  ["xero", 429, "", { "retry-after": "43" }, "HTTP_429", 43_000],
  ["xero", 200, "", { "x-daylimit-remaining": "0" }, "QUOTA_USED_UP", 60_000],
  ["generic", 429, "", { "retry-after": "Wed, 25 Nov 2026 02:00:30 GMT" }, "HTTP_429", 30_000],
  ["generic", 429, "", { "retry-after": "86400" }, "HTTP_429", 3_600_000],
  ["generic", 429, "", { "retry-after": "0" }, "HTTP_429", 1_000]
]

describe("a vendor's throttling response", () => {
  for (const [provider, status, body, headers, code, waitMs] of throttles) {
    test(`${provider}: ${status} ${code}, ${waitMs / 1000} s`, () => {
      expect(judge(provider, status, body, headers)).toMatchObject({
        _tag: "Throttled",
        code,
        waitMs
      })
    })
  }

  test("occurs in the list for every provider of the table", () => {
    const seen = new Set(throttles.map(([provider]) => provider))
    expect(
      [...providers, generic].map(({ name }) => name).filter((name) => !seen.has(name))
    ).toEqual([])
  })

  test("has no meaning for another vendor", () => {
    expect(judge("fortnox", 200, xledgerError("BURST_RATE_LIMIT_REACHED"))._tag).toBe("Reachable")
    expect(judge("generic", 400, netsuite)._tag).toBe("Reachable")
  })
})

describe("any response below 500 means reachable", () => {
  for (const { name } of [...providers, generic]) {
    test(name, () => {
      for (const status of [200, 204, 301, 400, 401, 403, 404, 405]) {
        expect(judge(name, status)._tag).toBe("Reachable")
      }
      for (const status of [500, 502, 503, 504]) {
        expect(judge(name, status)).toMatchObject({ _tag: "Unreachable", code: `HTTP_${status}` })
      }
    })
  }
})

describe("the quota", () => {
  const quotaOf = (provider: string, headers: Record<string, string>) => {
    const sign = judge(provider, 200, "", headers)
    return sign._tag === "Unreachable" ? null : sign.quota
  }

  test("is the one with the smallest remaining share", () => {
    const headers = { "x-daylimit-remaining": "4000", "x-minlimit-remaining": "3" }
    const quota = quotaOf("xero", headers)
    expect(quota).toEqual({ name: "minute", remaining: 3, limit: 60, resetMs: null })
    expect(quota !== null && isLow(quota)).toBe(true)
  })

  test("is not low if enough remains or if a number is missing", () => {
    const enough = quotaOf("visma_net", {
      "x-ratelimit-remaining": "60",
      "x-ratelimit-limit": "500"
    })
    expect(enough !== null && isLow(enough)).toBe(false)
    expect(quotaOf("visma_net", { "x-ratelimit-remaining": "soon" })).toBeNull()
    expect(quotaOf("visma_net", {})).toBeNull()
  })
})

describe("the API of an integration", () => {
  const cases: ReadonlyArray<readonly [string, string | null, string | null]> = [
    ["xledger", null, "xledger www.xledger.net"],
    ["Dynamics 365 Business Central", null, "business_central api.businesscentral.dynamics.com"],
    ["dynamics", null, "business_central api.businesscentral.dynamics.com"],
    ["fortnox", null, "fortnox api.fortnox.se"],
    ["visma-eaccounting", null, "visma_eaccounting eaccountingapi.vismaonline.com"],
    ["visma.net", null, "visma_net api.finance.visma.net"],
    ["tripletex", null, "tripletex tripletex.no"],
    ["quickbooks_online", null, "quickbooks quickbooks.api.intuit.com"],
    ["xero", null, "xero api.xero.com"],
    ["netsuite", null, null],
    [
      "netsuite",
      "https://123.suitetalk.api.netsuite.com/services/rest",
      "netsuite 123.suitetalk.api.netsuite.com/services/rest"
    ],
    [
      "d365fo",
      "https://acme.operations.dynamics.com/data",
      "dynamics_finance acme.operations.dynamics.com/data"
    ],
    ["payroll", "https://api.xero.com/payroll", "xero api.xero.com"],
    ["payroll", "https://API.Example.com./x", "generic api.example.com/x"],
    ["payroll", "https://api.example.com:8443/x", "generic api.example.com:8443/x"],
    ["payroll", "https://api.example.com", "generic api.example.com/"],
    ["payroll", "https://api.example.com/x?key=secret", "generic api.example.com/x~d67666d1"],
    ["payroll", "http://api.example.com/x", null],
    ["payroll", "not a url", null],
    ["payroll", null, null]
  ]
  for (const [type, url, expected] of cases) {
    test(`${type}${url === null ? "" : ` at ${url}`}`, () => {
      const api = apiOf({ integration_type: type, health_url: url })
      expect(api === null ? null : `${api.provider} ${api.host}`).toBe(expected)
    })
  }

  test("a health_url never names the host that a vendor's own probe uses", () => {
    const health_method = "HEAD" as const
    for (const integration_type of ["xledger", "payroll"]) {
      const url = "https://www.xledger.net/always-503"
      expect(probeOf({ integration_type, health_url: url, health_method })).toEqual({
        provider: "xledger",
        host: "www.xledger.net",
        method: "GET",
        url: "https://www.xledger.net/graphql"
      })
    }
  })

  test("two URLs of one host are two APIs, and each name fits its column", () => {
    const long = `https://api.example.com/${"x".repeat(400)}`
    const hosts = [long, `${long}y`, "https://api.example.com/a", "https://api.example.com/b"].map(
      (health_url) => apiOf({ integration_type: "payroll", health_url })?.host ?? ""
    )
    expect(new Set(hosts).size).toBe(4)
    for (const host of hosts) expect(host.length).toBeLessThanOrEqual(253)
  })

  test("a probe requests the health_url with its method, or else the table's address", () => {
    const health_method = "OPTIONS" as const
    expect(probeOf({ integration_type: "xledger", health_url: null, health_method })).toEqual({
      provider: "xledger",
      host: "www.xledger.net",
      method: "GET",
      url: "https://www.xledger.net/graphql"
    })
    const url = "https://acme.operations.dynamics.com/data"
    expect(probeOf({ integration_type: "d365fo", health_url: url, health_method })).toMatchObject({
      method: "OPTIONS",
      url
    })
    expect(probeOf({ integration_type: "netsuite", health_url: null, health_method })).toBeNull()
  })
})

test("the provider table has unique names and types, reasonable waits, and probes only for single addresses", () => {
  const names = providers.map(({ name }) => name)
  const types = providers.flatMap((one) => one.types)
  expect(new Set(names).size).toBe(names.length)
  expect(new Set(types).size).toBe(types.length)
  for (const one of providers) {
    for (const type of one.types) {
      expect(type).toMatch(/^[a-z0-9]+$/)
      expect(providerOf(type, null)).toBe(one)
    }
    expect(one.probe === null).toBe(one.hosts.every((host) => host.startsWith(".")))
    expect(one.waitMs).toBeGreaterThanOrEqual(5_000)
    expect(one.probeEveryMs).toBeGreaterThanOrEqual(900_000)
    for (const { remaining } of one.quotas) expect(remaining).toBe(remaining.toLowerCase())
  }
})

test("codes are found anywhere in a response, to a bounded depth", () => {
  expect(
    codesIn({ "o:errorDetails": [{ "o:errorCode": "X" }], error_code: 7, code: null })
  ).toEqual(["7", "X"])
  const deep = Array.from({ length: 50 }).reduce((inner) => ({ inner }), { code: "DEEP" })
  expect(codesIn(deep)).toEqual([])
  expect(codesIn(Array.from({ length: 500 }, () => ({ code: "C" })))).toHaveLength(20)
  expect(codesIn("text")).toEqual([])
})
