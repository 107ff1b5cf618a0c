import { startGateway } from "../test/support/RpcGateway.ts"

// The stand-in for PostgREST: one transaction per request, ten connections.
const gateway = await startGateway({
  databaseUrl: process.env.DATABASE_URL ?? "",
  statementTimeoutMs: 60_000
})
console.log(JSON.stringify({ url: gateway.url, secretKey: gateway.secretKey }))
