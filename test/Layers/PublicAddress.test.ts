import { expect, test } from "bun:test"
import { isPublicAddress } from "../../src/Layers/PublicAddress.ts"

const PUBLIC = [
  ...["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1"],
  ...["192.0.1.1", "198.17.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450:400f::200e"]
]
const PRIVATE = [
  ...["0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.1.2.3"],
  ...["169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1"],
  ...["198.18.0.1", "203.0.113.9", "224.0.0.1", "255.255.255.255", "168.63.129.16"],
  ...["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"],
  ...["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:7f00:1", "64:ff9b::a9fe:a9fe", "::7f00:1"],
  ...["2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "100::1"]
]
const NOT_ONE = ["", "localhost", "2130706433", "0x7f000001", "127.1", "1.1.1.1 ", "example.com"]

test("only public addresses are accepted", () => {
  expect(PUBLIC.filter((address) => !isPublicAddress(address))).toEqual([])
  expect([...PRIVATE, ...NOT_ONE].filter(isPublicAddress)).toEqual([])
})
