import { startGateway } from "../test/support/RpcGateway.ts"

// Replaces PostgREST. Each request is one transaction, and the gateway has ten connections to the database.
const gateway = await startGateway({
  databaseUrl: process.env.DATABASE_URL ?? "",
  statementTimeoutMs: 60_000
})
console.log(JSON.stringify({ url: gateway.url, secretKey: gateway.secretKey }))
