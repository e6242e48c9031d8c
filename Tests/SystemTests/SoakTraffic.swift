import Foundation
import Lab
import Testing

/// UDP packets of all devices to 16 servers that answer, and questions of some for names.
final class SoakTraffic {
    private let layout: LabLayout
    private let responder: String
    private var sender: String?
    private var askers: [String] = []
    private var asking: [String] = []

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
        try ask(addresses)
        sender = try output(of: "(while \(send); do :; done) >/dev/null 2>&1 & echo $!")
    }

    /// Three devices ask, one question after the other: for allowed names, each with an address of its own, for those that
    /// policies may deny, and for some that there are not.
    private func ask(_ addresses: String) throws {
        let ran = layout.name(of: .ran)
        let file = "\(layout.runDirectory)/soak.questions"
        try output(
            of: "for n in $(seq 0 7 2000); do echo n$n.many.example.com A; echo telemetry.example.com HTTPS; "
                + "echo helper.example.com A; echo none-$n.example.com A; done >\(file)")
        asking = try output(of: "head -n 3 \(addresses)").split(separator: "\n").map(String.init)
        for address in asking {
            try output(of: "ip -n \(ran) addr add \(address)/32 dev lo")
            let dig =
                "nsenter --net=/run/netns/\(ran) dig -b \(address) @\(LabLayout.gatewaySGi) +tries=1 +time=1 +short -f \(file)"
            askers.append(try output(of: "(while :; do \(dig); sleep 0.2; done) >\(file).answers 2>&1 & echo $!"))
        }
    }

    /// How many answers with an address the last of them got.
    func answers() throws -> Int {
        Int(try output(of: "grep -c '^11\\.0\\.' \(layout.runDirectory)/soak.questions.answers || true")) ?? 0
    }

    func pause() {
        for asker in askers { shell("kill \(asker) $(pgrep -P \(asker))") }
        for address in asking { shell("ip -n \(layout.name(of: .ran)) addr del \(address)/32 dev lo") }
        (askers, asking) = ([], [])
        guard let sender else { return }
        shell("kill \(sender) $(pgrep -P \(sender))")
        self.sender = nil
    }

    func stop() {
        pause()
        shell("kill \(responder)")
    }
}
