import type { Fault, GatewayCall } from "../support/GatewayFaults.ts"
import { RESET } from "../support/HttpServer.ts"
import type { Gate } from "./EffectLedger.ts"

/** A moment at which an engine is killed: an SQL call, or one of the function's gates. */
export interface KillPoint {
  readonly name: string
  readonly calls?: ReadonlyArray<string>
  readonly gates?: ReadonlyArray<string>
  /**
   * The fate of the engine's call. lost: the call never reaches the database · committed: only the response is lost ·
   * continues: the call continues after a random delay · answered: the call gets its response.
   */
  readonly call: "lost" | "committed" | "lost or committed" | "continues" | "answered"
}

/** The moments at which a kill could lose or duplicate a run. */
export const killPoints: ReadonlyArray<KillPoint> = [
  { name: "claim, before its commit", calls: ["claim_sync_runs"], call: "lost" },
  { name: "claim, after its commit", calls: ["claim_sync_runs"], call: "committed" },
  { name: "start committed, nothing sent", calls: ["start_sync_runs"], call: "committed" },
  {
    name: "function called, not begun",
    calls: ["begin_sync_run"],
    gates: ["called"],
    call: "continues"
  },
  { name: "function begun, nothing booked", gates: ["begun"], call: "continues" },
  { name: "function worked, not answered", gates: ["worked"], call: "continues" },
  { name: "function answered, not settled", calls: ["settle_sync_runs"], call: "lost" },
  { name: "settled, the answer lost", calls: ["settle_sync_runs"], call: "committed" },
  { name: "sweep and open", calls: ["open_sync_tick"], call: "lost or committed" },
  { name: "finish", calls: ["finish_sync_tick"], call: "lost or committed" }
]

/** Freezes an engine when the database confirms the start of a run. The lease may end before the engine resumes. */
export const freezePoint: KillPoint = {
  name: "frozen with a confirmed start",
  calls: ["start_sync_runs"],
  call: "answered"
}

export interface Ambush {
  /** Resolves with the process id of the engine. */
  readonly reached: Promise<number>
  /** Releases the held calls and stops holding calls. */
  readonly end: () => void
  readonly onCall: (call: GatewayCall, pid: number | undefined) => Fault | undefined
  readonly onGate: (gate: Gate, pid: number | undefined) => Promise<unknown> | undefined
}

export const ambush = (point: KillPoint): Ambush => {
  const reached = Promise.withResolvers<number>()
  const ended = Promise.withResolvers<void>()
  let isOpen = true
  const catches = (pid: number | undefined): pid is number => {
    const caught = isOpen && pid !== undefined
    if (caught) isOpen = false
    return caught
  }
  return {
    reached: reached.promise,
    end: () => {
      isOpen = false
      ended.resolve()
    },
    onCall: (call, pid) => {
      if (point.calls?.includes(call.fn) !== true || !catches(pid)) return undefined
      const arrives =
        point.call === "lost or committed" ? Math.random() < 0.5 : point.call !== "lost"
      if (!arrives || point.call === "continues") {
        reached.resolve(pid)
        return { waitBefore: ended.promise, ...(arrives ? {} : { instead: RESET }) }
      }
      return {
        execute: true,
        ...(point.call === "answered" ? {} : { instead: RESET }),
        // The gateway reads this property as soon as the call is committed.
        get waitAfter() {
          reached.resolve(pid)
          return ended.promise
        }
      }
    },
    onGate: (gate, pid) => {
      if (point.gates?.includes(gate.name) !== true || !catches(pid)) return undefined
      reached.resolve(pid)
      return ended.promise
    }
  }
}
