import Foundation
import Lab
import Testing

/// UDP packets of all devices to 16 servers that answer.
final class SoakTraffic {
    private let layout: LabLayout
    private let responder: String
    private var sender: String?

    init(_ layout: LabLayout) throws {
        self.layout = layout
        let internet = layout.name(of: .inet)
        for last in 11...25 where last != 20 {
            try output(of: "ip -n \(internet) addr add 192.0.2.\(last)/32 dev lo")
        }
        responder = try output(
            of: "nsenter --net=/run/netns/\(internet) \(layout.programs)/PacketLoad respond >/dev/null 2>&1 & echo $!")
    }

    /// Sends from these addresses, as fast as a few devices would.
    func start(_ addresses: String) throws {
        let (ran, gateway) = (layout.name(of: .ran), layout.name(of: .gw))
        let mac = { (namespace: String) in
            try output(of: "ip -n \(namespace) -o link show sgi | sed 's/.*ether \\([0-9a-f:]*\\).*/\\1/'")
        }
        let send =
            "nsenter --net=/run/netns/\(ran) \(layout.programs)/PacketLoad send --interface sgi --from \(try mac(ran)) "
            + "--to \(try mac(gateway)) --addresses \(addresses) --flows 480 --seconds 1 --rate 2000"
        sender = try output(of: "(while \(send); do :; done) >/dev/null 2>&1 & echo $!")
    }

    func pause() {
        guard let sender else { return }
        shell("kill \(sender) $(pgrep -P \(sender))")
        self.sender = nil
    }

    func stop() {
        pause()
        shell("kill \(responder)")
    }
}
