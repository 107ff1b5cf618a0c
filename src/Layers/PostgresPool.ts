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
    let waiting: Array<() => void> = []

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

    const untilFree = <E>(ms: number, onTimeout: () => E): Effect.Effect<void, E> =>
      asyncWithDeadline<void, E>({
        ms,
        begin: (resume) => {
          const wake = () => resume(Effect.void)
          waiting.push(wake)
          return () => {
            waiting = waiting.filter((one) => one !== wake)
          }
        },
        onTimeout: () => Effect.failSync(onTimeout)
      })

    const giveBack = (member: Member) =>
      Effect.sync(() => {
        if (!member.isDiscarded) idle.push(member)
        waiting.shift()?.()
      })

    return {
      use: ({ kind, withinMs, onTimeout, call }) =>
        Effect.uninterruptibleMask((restore) => {
          const acquire: Effect.Effect<Member, ReturnType<typeof onTimeout>> = Effect.flatMap(
            take(kind),
            (member) =>
              member !== undefined
                ? Effect.succeed(member)
                : Effect.zipRight(
                    restore(untilFree(withinMs, onTimeout)),
                    Effect.suspend(() => acquire)
                  )
          )
          return Effect.flatMap(acquire, (member) => {
            member.kinds.add(kind)
            return Effect.ensuring(restore(call(member.connection)), giveBack(member))
          })
        })
    }
  })
