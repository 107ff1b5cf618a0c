import type { Provider } from "./Provider.ts"

/** *Source*: RFC 6585 section 4 (429), RFC 9110 section 10.2.3 (Retry-After). */
export const generic: Provider = {
  name: "generic",
  title: "The accounting API",
  types: [],
  hosts: [],
  probe: null,
  probeEveryMs: 900_000,
  throttles: [],
  waitMs: 60_000,
  quotas: [
    {
      name: "requests",
      remaining: "x-ratelimit-remaining",
      limit: "x-ratelimit-limit",
      // The header is not read, because some APIs send seconds and others send an instant.
      reset: null
    }
  ],
  waitText: null,
  concurrency: null
}

/**
 * Signals throttling with HTTP 200 and `errors[].code`. Bills each request above 5,000 a month. Requests without a token might
 * count, so a probe is sent at most once an hour.
 * *Source*: Xledger UK help centre, article 33393587744786 (quota); Xledger's public webhook sample, GraphQLClient.cs (codes).
 */
const xledger: Provider = {
  ...generic,
  name: "xledger",
  title: "Xledger",
  types: ["xledger", "xledgergraphql"],
  hosts: ["www.xledger.net", ".xledger.net"],
  probe: { method: "GET", path: "/graphql" },
  probeEveryMs: 3_600_000,
  throttles: [
    {
      status: null,
      codes: [
        "BAD_REQUEST.BURST_RATE_LIMIT_REACHED",
        "BAD_REQUEST.CONCURRENCY_LIMIT_REACHED",
        "BAD_REQUEST.INSUFFICIENT_CREDITS",
        "BURST_RATE_LIMIT_REACHED",
        "CONCURRENCY_LIMIT_REACHED",
        "INSUFFICIENT_CREDITS"
      ]
    }
  ],
  quotas: []
}

/**
 * Responds with 429 when a user sends more than 6,000 requests in 5 minutes, or exceeds the limit on queued requests or
 * connections. Processes up to 5 requests per user concurrently. Retry-After is not documented.
 * *Source*: Microsoft Learn, business-central/dev-itpro/api-reference/v2.0/dynamics-rate-limits and
 * business-central/dev-itpro/administration/operational-limits-online.
 */
const businessCentral: Provider = {
  ...generic,
  name: "business_central",
  title: "Dynamics 365 Business Central",
  types: [
    "businesscentral",
    "dynamics365businesscentral",
    "dynamicsbusinesscentral",
    "dynamicsbc",
    "d365bc",
    "dynamics",
    "dynamics365"
  ],
  hosts: ["api.businesscentral.dynamics.com"],
  probe: { method: "GET", path: "/v2.0" },
  quotas: [],
  concurrency: 5
}

/**
 * Has one host for each environment. Responds with 429 when resource-based limits are exceeded. If Retry-After is missing, the
 * wait is 30 s, which is documented for the sister app Human Resources.
 * *Source*: Microsoft Learn, fin-ops-core/dev-itpro/data-entities/service-protection-api-limits and
 * human-resources/dev-itpro/hr-admin-integration-throttling-faq.
 */
const dynamicsFinance: Provider = {
  ...generic,
  name: "dynamics_finance",
  title: "Dynamics 365 Finance",
  types: ["dynamicsfinance", "dynamics365finance", "d365finance", "d365fo", "financeandoperations"],
  hosts: [".operations.dynamics.com", ".operations.eu.dynamics.com"],
  quotas: [],
  waitMs: 30_000
}

/**
 * Allows 25 requests per client and tenant in a sliding window of 5 s, then responds with 429.
 * *Source*: fortnox.se/developer/guides-and-good-to-know/rate-limits-for-fortnox-api.
 */
const fortnox: Provider = {
  ...generic,
  name: "fortnox",
  title: "Fortnox",
  types: ["fortnox"],
  hosts: ["api.fortnox.se", "apps.fortnox.se"],
  probe: { method: "GET", path: "/3/companyinformation" },
  quotas: [],
  waitMs: 5_000
}

/**
 * Allows 600 requests a minute per client and endpoint, then responds with 429 and `ErrorCode` 4010. The response's text states
 * the wait.
 * *Source*: developer.vismaonline.com/docs/rate-limits.
 */
const vismaEaccounting: Provider = {
  ...generic,
  name: "visma_eaccounting",
  title: "Visma eAccounting",
  types: ["vismaeaccounting", "eaccounting", "eekonomi", "vismaeekonomi"],
  hosts: ["eaccountingapi.vismaonline.com"],
  probe: { method: "GET", path: "/v2/companysettings" },
  throttles: [{ status: 429, codes: ["4010"] }],
  quotas: [],
  waitText: /try again in (\d{1,6}) seconds?/i
}

/**
 * Limits the calls per hour for each company and client. Only the response headers state the limit. The old host,
 * integration.visma.net, allows 500 calls an hour until it is shut down.
 * *Source*: docs.vismasoftware.no/vismanetapi/how-tos/ratelimits and .../end-of-life-notices/change-base-url.
 */
const vismaNet: Provider = {
  ...generic,
  name: "visma_net",
  title: "Visma.net",
  types: ["vismanet", "vismaneterp", "vismanetfinancials"],
  hosts: ["api.finance.visma.net", "integration.visma.net"],
  probe: { method: "GET", path: "/v1/account" },
  quotas: [
    {
      name: "hour",
      remaining: "x-ratelimit-remaining",
      limit: "x-ratelimit-limit",
      reset: "x-ratelimit-reset"
    }
  ]
}

/**
 * No public page documents Tripletex's limits. The headers `X-Rate-Limit-*` are known only from client libraries.
 * *Source*: the address comes from Tripletex's generated clients (tripletex.no/v2).
 */
const tripletex: Provider = {
  ...generic,
  name: "tripletex",
  title: "Tripletex",
  types: ["tripletex"],
  hosts: ["tripletex.no", ".tripletex.no"],
  probe: { method: "GET", path: "/v2" },
  quotas: [
    {
      name: "requests",
      remaining: "x-rate-limit-remaining",
      limit: "x-rate-limit-limit",
      reset: "x-rate-limit-reset"
    }
  ]
}

/**
 * Has one host for each account. Limits the account's concurrent requests: 5 on a shared service, more on higher tiers. Above the
 * limit, RESTlets respond with 400 and SSS_REQUEST_LIMIT_EXCEEDED, REST with 429, and SOAP with faults. A probe would count
 * towards the limit.
 * *Source*: docs.jitterbit.com, "NetSuite concurrency governance", which quotes NetSuite's 2017.2 release notes.
 */
const netsuite: Provider = {
  ...generic,
  name: "netsuite",
  title: "NetSuite",
  types: ["netsuite", "oraclenetsuite"],
  hosts: [".suitetalk.api.netsuite.com", ".restlets.api.netsuite.com"],
  throttles: [
    {
      status: null,
      codes: [
        "SSS_REQUEST_LIMIT_EXCEEDED",
        "WS_REQUEST_BLOCKED",
        "WS_CONCUR_SESSION_DISALLOWED",
        "ExceededConcurrentRequestLimitFault",
        "ExceededRequestLimitFault"
      ]
    }
  ],
  quotas: [],
  waitMs: 30_000,
  concurrency: 5
}

/**
 * Allows a company 500 requests a minute and 10 concurrent requests. Responds with 429 and code 003001 (ThrottleExceeded).
 * *Source*: blogs.intuit.com/2016/08/08/idg-concurrent-api-use-changes-coming-soon; the code is known from integrators' reports.
 */
const quickbooks: Provider = {
  ...generic,
  name: "quickbooks",
  title: "QuickBooks Online",
  types: ["quickbooks", "quickbooksonline", "qbo"],
  hosts: ["quickbooks.api.intuit.com"],
  probe: { method: "GET", path: "/v3/company" },
  throttles: [{ status: 429, codes: ["003001", "3001"] }],
  quotas: [],
  concurrency: 10
}

/**
 * Allows an organisation 60 calls a minute, 5,000 calls a day and 5 concurrent calls. Allows an app 10,000 calls a minute.
 * *Source*: developer.xero.com/faq/limits and developer.xero.com/documentation/guides/oauth2/limits.
 */
const xero: Provider = {
  ...generic,
  name: "xero",
  title: "Xero",
  types: ["xero"],
  hosts: ["api.xero.com"],
  probe: { method: "GET", path: "/connections" },
  quotas: [
    { name: "day", remaining: "x-daylimit-remaining", limit: 5_000, reset: null },
    { name: "minute", remaining: "x-minlimit-remaining", limit: 60, reset: null },
    { name: "app minute", remaining: "x-appminlimit-remaining", limit: 10_000, reset: null }
  ],
  concurrency: 5
}

/** All known vendors. A new vendor needs an entry here and a test case. */
export const providers: ReadonlyArray<Provider> = [
  xledger,
  businessCentral,
  dynamicsFinance,
  fortnox,
  vismaEaccounting,
  vismaNet,
  tripletex,
  netsuite,
  quickbooks,
  xero
]

const byType = new Map(providers.flatMap((one) => one.types.map((type) => [type, one] as const)))
const byName = new Map([generic, ...providers].map((one) => [one.name, one] as const))

export const providerNamed = (name: string): Provider => byName.get(name) ?? generic

/** Finds the provider by the integration's type, then by the host. */
export const providerOf = (integrationType: string, host: string | null): Provider =>
  byType.get(integrationType.toLowerCase().replaceAll(/[^a-z0-9]/g, "")) ??
  providers.find((one) => host !== null && owns(one, host)) ??
  generic

const owns = ({ hosts }: Provider, host: string): boolean =>
  hosts.some((one) => (one.startsWith(".") ? host.endsWith(one) : host === one))
