import { startGateway } from "../test/support/RpcGateway.ts"

// PostgREST's part, in a process of its own: POST /rest/v1/rpc/<function>, one transaction each, ten connections.
const gateway = await startGateway({
  databaseUrl: process.env.DATABASE_URL ?? "",
  statementTimeoutMs: 60_000
})
console.log(JSON.stringify({ url: gateway.url, secretKey: gateway.secretKey }))
