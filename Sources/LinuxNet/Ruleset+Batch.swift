import CNetfilter
package import PolicyCompiler

extension Ruleset {
    /// How many octets the kernel is sent for a chain of this: for measuring what it takes to make them.
    package func batchSize() throws(DataPlaneError) -> Int {
        var batch = TableBatch(socket: try NetlinkSocket(bus: NETLINK_NETFILTER))
        try batch.add(PolicyForm(self, bits: Array(hostSets.indices), withIPv6: false), serial: 1)
        return batch.size
    }
}
