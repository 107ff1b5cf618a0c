import type { SQL } from "bun"
import {
  connect,
  createDatabase,
  type OwnPostgresServer,
  type PostgresServer,
  startPostgres
} from "../support/Postgres.ts"
import { type GatewayOptions, type RpcGateway, startGateway } from "../support/RpcGateway.ts"
import { asAuthenticator, ask } from "./Asking.ts"
import { functionsSql } from "./Functions.ts"
import { type Answered, type RecordedRequest, read } from "./Recorded.ts"

export type Seen = Readonly<Record<string, Answered>>

/** The stand-in serves a database with the functions in Functions.ts. */
export interface Stage {
  readonly gateway: RpcGateway
  readonly admin: SQL
  readonly name: string
  readonly ask: (path: string, args?: unknown) => Promise<Answered>
  /** Counts the rows in t_w that contain `i`, which shows whether a slow write was executed. */
  readonly written: (i: number) => Promise<number>
}

interface Setting {
  readonly server?: PostgresServer
  readonly port?: number
  readonly gateway?: Partial<GatewayOptions>
}

export const onStage = async (
  play: (stage: Stage) => Promise<Seen>,
  { gateway: options = {}, port, server: own }: Setting = {}
): Promise<Seen> => {
  const server = own ?? (await startPostgres())
  const database = await createDatabase({ server, migrations: false, sql: functionsSql })
  const admin = connect(database.adminUrl, { max: 2 })
  const url = new URL(asAuthenticator(database.url))
  if (port !== undefined) url.port = String(port)
  const gateway = await startGateway({ databaseUrl: url.href, ...options })
  const request = (path: string, args: unknown): RecordedRequest => ({
    path,
    body: JSON.stringify(args)
  })
  try {
    return await play({
      gateway,
      admin,
      name: database.name,
      ask: (path, args = {}) => read(ask(gateway, request(`/rpc/${path}`, args)), {}),
      written: async (i) => (await admin`select from t_w where i = ${i}`).length
    })
  } finally {
    await gateway.close()
    await admin.close({ timeout: 0 })
    if (own === undefined) await database.drop()
  }
}

export const onOwnServer = async (
  play: (stage: Stage, server: OwnPostgresServer) => Promise<Seen>
): Promise<Seen> => {
  const server = await startPostgres({ fresh: true })
  try {
    return await onStage((stage) => play(stage, server), { server })
  } finally {
    await server.stop()
  }
}

export const untilSchemaRead = async ({ ask: call }: Stage): Promise<void> => {
  while ((await call("t_text")).status === 503) await Bun.sleep(50)
}
