import Control
import Domain
import Hummingbird
import NIOCore
import PolicyCompiler

extension RouteTable {
    /// A stream of JSON objects, one a line, each with its `type`: `status`, `packet`, `end`.
    func addTraces() {
        get("/v1/sims/{imsi}/trace") { call in
            let query = try call.query("seconds", "limit", "per_second", "verdict")
            let longest = Int(PacketTrace.longest.components.seconds)
            let question = TraceQuestion(
                imsi: try call.path("imsi"),
                time: .seconds(try query.number("seconds", in: 1...longest) ?? 60),
                limit: try query.number("limit", in: 1...1_000_000),
                packetsPerSecond: try query.number("per_second", in: 1...200) ?? 100,
                isAllowed: try query.isAllowed())
            // Before the answer begins, so that a refusal is one.
            let trace = try await call.control.trace(question, by: call.principal)
            return Response(
                status: .ok, headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"],
                body: ResponseBody { writer in
                    try await trace.run { event in
                        var line = ByteBuffer(json: TraceAnswer(event))
                        line.writeInteger(UInt8(ascii: "\n"))
                        try await writer.write(line)
                    }
                    try await writer.finish(nil)
                })
        }
    }
}

extension Query {
    fileprivate func number(_ name: String, in range: ClosedRange<Int>) throws(ControlError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .wrong(
                name, "\"\(text.shortened)\" is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    fileprivate func isAllowed() throws(ControlError) -> Bool? {
        switch text("verdict") {
        case nil: return nil
        case "allow": return true
        case "block": return false
        case let other?: throw .wrong("verdict", "\"\(other.shortened)\" is neither allow nor block")
        }
    }
}

/// One line of a trace.
enum TraceAnswer: Encodable {
    case packet(Packet)
    case status(Status)

    struct Status: Encodable {
        /// `status` or `end`.
        let type: String
        /// Why it ends.
        var reason: String?
        let addresses: [String]
        let packets: Int
        let leftOut: UInt64

        init(_ status: TraceStatus, endedBy reason: String? = nil) {
            type = reason == nil ? "status" : "end"
            self.reason = reason
            addresses = status.addresses.map { address in
                if case .v6 = address { "\(address)/64" } else { "\(address)" }
            }
            packets = status.packets
            leftOut = status.leftOut
        }
    }

    struct Packet: Encodable {
        let type = "packet"
        let time: String
        /// `from-device` or `to-device`.
        let direction: String
        let `protocol`: UInt8
        let source: String
        let sourcePort: UInt16?
        let destination: String
        let destinationPort: UInt16?
        let octets: Int
        /// What the kernel did: `allow` or `block`.
        let verdict: String
        /// `rule`, `flow`, `answer` or `gateway`.
        let by: String
        let policy: String?
        let version: Int64?
        /// Absent: the default, or no rule.
        let rule: String?
        let route: String?
        let wouldBlock: Bool
        let reason: String
        /// Absent as long as kernel and policy agree.
        let difference: String?

        init(_ judged: PacketVerdict) {
            let packet = judged.packet
            let isOut = packet.direction == .fromDevice
            time = "\(judged.time)"
            direction = isOut ? "from-device" : "to-device"
            `protocol` = packet.protocol
            source = "\(isOut ? packet.address : packet.remote)"
            sourcePort = isOut ? packet.devicePort : packet.remotePort
            destination = "\(isOut ? packet.remote : packet.address)"
            destinationPort = isOut ? packet.remotePort : packet.devicePort
            octets = packet.octets
            verdict = judged.isAllowed ? "allow" : "block"
            by = judged.by.rawValue
            policy = judged.policy.map { "\($0.name)" }
            version = judged.policy?.version
            rule = judged.rule.map { "\($0)" }
            route = judged.route
            wouldBlock = judged.wouldBlock
            reason = judged.reason
            difference = judged.difference
        }
    }

    init(_ event: TraceEvent) {
        switch event {
        case .packet(let judged): self = .packet(Packet(judged))
        case .status(let status): self = .status(Status(status))
        case .end(let reason, let status): self = .status(Status(status, endedBy: reason))
        }
    }

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .packet(let packet): try packet.encode(to: encoder)
        case .status(let status): try status.encode(to: encoder)
        }
    }
}
