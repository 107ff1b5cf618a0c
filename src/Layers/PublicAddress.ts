import { BlockList, isIP } from "node:net"

/** IPv4 ranges without public hosts. *Source*: IANA IPv4 Special-Purpose Address Registry; RFC 6890. */
const SPECIAL_V4: ReadonlyArray<readonly [network: string, prefix: number]> = [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT; some clouds' metadata
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local; most clouds' metadata
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // protocol assignments; one cloud's metadata
  ["192.0.2.0", 24], // documentation
  ["192.31.196.0", 24], // AS112
  ["192.52.193.0", 24], // AMT
  ["192.88.99.0", 24], // 6to4 relays
  ["192.168.0.0", 16], // private
  ["192.175.48.0", 24], // AS112
  ["198.18.0.0", 15], // benchmarking
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, broadcast
  ["168.63.129.16", 32] // Azure's platform services, although the address is in a public range
]

/** The IPv6 range of global unicast addresses. Excludes IPv4-mapped, unique local, link-local and NAT64 addresses. */
const GLOBAL_V6 = ["2000::", 3] as const

/** Ranges in GLOBAL_V6 that are not public. *Source*: IANA IPv6 Special-Purpose Address Registry. */
const SPECIAL_V6: ReadonlyArray<readonly [network: string, prefix: number]> = [
  ["2001::", 23], // protocol assignments: Teredo (embeds an IPv4 address), ORCHID, benchmarking
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4: embeds an IPv4 address
  ["3fff::", 20], // documentation
  ["2620:4f:8000::", 48] // AS112
]

const listOf = (
  nets: ReadonlyArray<readonly [string, number]>,
  family: "ipv4" | "ipv6"
): BlockList => {
  const list = new BlockList()
  for (const [network, prefix] of nets) list.addSubnet(network, prefix, family)
  return list
}
const specialV4 = listOf(SPECIAL_V4, "ipv4")
const specialV6 = listOf(SPECIAL_V6, "ipv6")
const globalV6 = listOf([GLOBAL_V6], "ipv6")

/** Returns whether `address` belongs to a host on the public internet; false if `address` cannot be parsed. */
export const isPublicAddress = (address: string): boolean => {
  switch (isIP(address)) {
    case 4:
      return !specialV4.check(address, "ipv4")
    case 6:
      return (
        !address.includes("%") &&
        globalV6.check(address, "ipv6") &&
        !specialV6.check(address, "ipv6")
      )
    default:
      return false
  }
}
