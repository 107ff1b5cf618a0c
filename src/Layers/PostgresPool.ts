import { Effect, Exit, Scope } from "effect"
import { asyncWithDeadline } from "../Http/Deadline.ts"
import type { PostgresConnection } from "./PostgresConnection.ts"

interface Member {
  readonly connection: PostgresConnection
  readonly scope: Scope.CloseableScope
  /** The kinds of call that the connection has made. */
  readonly kinds: Set<string>
  isDiscarded: boolean
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface PostgresPool {
  /**
   * Runs `call` with a free connection. Prefers a connection that has already made a call of the same kind, because PostgreSQL
   * plans a function's statements once per connection. *Fails with* the result of `onTimeout` if no connection is free within
   * `withinMs`.
   */
  readonly use: <A, E>(options: {
    readonly kind: string
    readonly withinMs: number
    readonly onTimeout: () => E
    readonly call: (connection: PostgresConnection) => Effect.Effect<A, E>
  }) => Effect.Effect<A, E>
}

/**
 * Makes a pool of at most `size` connections, which are opened when needed. When the scope closes, all connections are closed.
 * When a connection hangs, that connection and all idle connections are closed.
 */
export const makePool = (
  size: number,
  open: (
    onHung: (connection: PostgresConnection) => Effect.Effect<void>
  ) => Effect.Effect<PostgresConnection, never, Scope.Scope>
): Effect.Effect<PostgresPool, never, Scope.Scope> =>
  Effect.map(Effect.scope, (lifetime) => {
    const idle: Array<Member> = []
    const members = new Set<Member>()
    let opening = 0
    let waiting: Array<(free: Member | undefined) => void> = []

    // Whatever broke this connection, such as a failover, has probably broken the idle connections too.
    const discard = (connection: PostgresConnection) =>
      Effect.suspend(() => {
        const hung = Array.from(members).filter((one) => one.connection === connection)
        return Effect.forEach([...hung, ...idle.splice(0)], close, { discard: true })
      })

    const close = (member: Member) => {
      member.isDiscarded = true
      members.delete(member)
      return Effect.forkDaemon(Scope.close(member.scope, Exit.void))
    }

    const make = Effect.gen(function* () {
      opening += 1
      const scope = yield* Scope.fork(lifetime, { _tag: "Sequential" })
      const connection = yield* Scope.extend(open(discard), scope)
      const member: Member = { connection, scope, kinds: new Set(), isDiscarded: false }
      members.add(member)
      return member
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          opening -= 1
        })
      )
    )

    const take = (kind: string): Effect.Effect<Member | undefined> =>
      Effect.suspend(() => {
        // If no idle connection has made such a call, index -1 selects the connection that was used last.
        const [member] = idle.splice(
          idle.findLastIndex(({ kinds }) => kinds.has(kind)),
          1
        )
        if (member !== undefined) return Effect.succeed(member)
        return members.size + opening < size ? make : Effect.succeed(undefined)
      })

    /** Gives a member to the caller that has waited longest. Undefined means that this caller can open a connection. */
    const pass = (free: Member | undefined) => {
      const next = waiting.shift()
      if (next !== undefined) next(free)
      else if (free !== undefined) idle.push(free)
    }

    /** Waits for a member. If a member was passed to a caller that was then interrupted, the next caller gets that member. */
    const untilFree = <E>(ms: number, onTimeout: () => E, restore: Restore) =>
      Effect.suspend(() => {
        let passed: { readonly free: Member | undefined } | null = null
        const wait = asyncWithDeadline<Member | undefined, E>({
          ms,
          begin: (resume) => {
            const wake = (free: Member | undefined) => {
              passed = { free }
              resume(Effect.succeed(free))
            }
            waiting.push(wake)
            return () => {
              waiting = waiting.filter((one) => one !== wake)
            }
          },
          onTimeout: () => Effect.failSync(onTimeout)
        })
        return Effect.onError(restore(wait), () =>
          Effect.sync(() => {
            if (passed !== null) pass(passed.free)
          })
        )
      })

    const giveBack = (member: Member) =>
      Effect.sync(() => pass(member.isDiscarded ? undefined : member))

    return {
      use: ({ kind, withinMs, onTimeout, call }) =>
        Effect.uninterruptibleMask((restore) => {
          const acquire: Effect.Effect<Member, ReturnType<typeof onTimeout>> = Effect.flatMap(
            take(kind),
            (member) =>
              member !== undefined
                ? Effect.succeed(member)
                : Effect.flatMap(untilFree(withinMs, onTimeout, restore), (free) =>
                    free !== undefined ? Effect.succeed(free) : acquire
                  )
          )
          return Effect.flatMap(acquire, (member) => {
            member.kinds.add(kind)
            return Effect.ensuring(restore(call(member.connection)), giveBack(member))
          })
        })
    }
  })
