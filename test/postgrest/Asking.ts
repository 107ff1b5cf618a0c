import { createHmac } from "node:crypto"
import type { RpcGateway } from "../support/RpcGateway.ts"
import type { RecordedRequest } from "./Recorded.ts"

/** PostgREST's login role has no privileges of its own, but can switch to all other roles. */
export const asAuthenticator = (databaseUrl: string): string => {
  const url = new URL(databaseUrl)
  url.username = "authenticator"
  return url.href
}

export const ask = (gateway: RpcGateway, request: RecordedRequest): Promise<Response> => {
  const { body, headers, method = "POST", path } = request
  return fetch(`${gateway.url}/rest/v1${path}`, {
    method,
    headers: {
      // PostgREST reads only the bearer token; the gateway in front of it checks the apikey.
      apikey: gateway.publishableKey,
      authorization: `Bearer ${tokenOf(gateway, request)}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers
    },
    ...(body === undefined ? {} : { body })
  })
}

const tokenOf = (gateway: RpcGateway, { claims, key, token }: RecordedRequest): string => {
  if (token === "forged") return forged()
  if (token !== undefined) return token
  if (key === "anon") return gateway.anonKey
  const now = Math.floor(Date.now() / 1000)
  const given = claims ?? { iss: "supabase", role: "service_role", iat: 0, exp: 3600 }
  return gateway.sign(
    Object.fromEntries(
      Object.entries(given).map(([name, value]) => [
        name,
        typeof value === "number" ? now + value : value
      ])
    )
  )
}

const forged = (): string => {
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ role: "service_role" })}`
  return `${signed}.${createHmac("sha256", "another secret").update(signed).digest("base64url")}`
}
