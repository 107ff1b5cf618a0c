export interface Address {
  /** A host name or an IP address. An IPv6 address has no brackets. */
  readonly hostname: string
  /** The port; 0 means any free port. */
  readonly port: number
}

/** Parses a validated setting: `host:port` or `[::1]:port`. */
export const parseAddress = (listen: string): Address => {
  const at = listen.lastIndexOf(":")
  return { hostname: withoutBrackets(listen.slice(0, at)), port: Number(listen.slice(at + 1)) }
}

/** Whether only this machine can reach the address. */
export const isLoopback = (hostname: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(withoutBrackets(hostname))

/** Returns the host name in a Host header, in lower case and without the port. */
export const hostOf = (header: string): string =>
  withoutBrackets(header.toLowerCase().replace(/:\d*$/, ""))

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")
