/** Where `serve` listens. */
export interface Address {
  /** A name or an address; IPv6 without brackets. */
  readonly hostname: string
  /** 0: any that is free. */
  readonly port: number
}

/** Reads `host:port` and `[::1]:port`, whose form the setting has checked. */
export const parseAddress = (listen: string): Address => {
  const at = listen.lastIndexOf(":")
  return { hostname: withoutBrackets(listen.slice(0, at)), port: Number(listen.slice(at + 1)) }
}

/** Whether only this machine reaches what listens there. */
export const isLoopback = (hostname: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i.test(withoutBrackets(hostname))

/** The name in a Host header, in lower case, without its port. */
export const hostOf = (header: string): string =>
  withoutBrackets(header.toLowerCase().replace(/:\d*$/, ""))

const withoutBrackets = (host: string): string => host.replace(/^\[(.*)\]$/, "$1")
