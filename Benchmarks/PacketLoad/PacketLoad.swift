import ArgumentParser

/// Plays many devices behind a P-GW that send small UDP packets, and the servers that they send to.
@main
struct PacketLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "packet-load",
        abstract: "Sends 60-byte UDP packets of many devices through a gateway, and answers what comes of that.",
        subcommands: [Send.self, Respond.self, Names.self, Echo.self])
}
