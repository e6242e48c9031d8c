import Control
import Domain
import Hummingbird

extension RouteTable {
    /// What is done about one SIM's volumes of data by hand.
    func addSIMLimits() {
        get("/v1/sims/{imsi}/limit") { call in
            .json(SIMLimitAnswer(try await call.control.effectivePolicy(of: try call.path("imsi"), by: call.principal)))
        }
        post("/v1/sims/{imsi}/limit/reset") { call in
            let body = try await call.json(LimitResetBody.self)
            return .json(
                VolumeChangeAnswer(
                    try await call.control.resetVolume(
                        of: try call.path("imsi"), level: body.level?.value, by: call.principal)))
        }
        post("/v1/sims/{imsi}/limit/top-up") { call in
            let body = try await call.json(TopUpBody.self)
            return .json(
                VolumeChangeAnswer(
                    try await call.control.topUp(
                        try call.path("imsi"), body.volume.value, level: body.level?.value, by: call.principal)))
        }
    }
}

struct LimitResetBody: RequestBody {
    let level: Text<SessionPolicyLevel>?
    enum CodingKeys: String, CodingKey, CaseIterable { case level }
}

struct TopUpBody: RequestBody {
    let volume: Text<DataVolume>
    let level: Text<SessionPolicyLevel>?
    enum CodingKeys: String, CodingKey, CaseIterable { case volume, level }
}

extension DataVolume: TextParsable {}

extension SessionPolicyLevel: TextParsable {
    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let level = Self(rawValue: String(text)) else {
            throw ParseError(
                kind: "a level", text: text,
                expected: "write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = level
    }
}

/// One volume of data: what may pass in its period, and what has. Octets.
struct VolumeAnswer: Encodable {
    let level: String
    let pool: String
    let limit: UInt64
    /// Of the limit, by hand.
    let added: UInt64
    let used: UInt64
    let remaining: UInt64
    let period: String
    let zone: String
    let periodStart: String
    /// Left out where it does not end by itself.
    let periodEnd: String?
    let warnAt: [Int]
    let onReached: String
    let slowRate: String?
    let reachedAt: String?

    init(_ view: VolumeView) {
        level = view.level.rawValue
        pool = view.limit.pool.rawValue
        limit = view.octets
        added = view.added
        used = view.used
        remaining = view.remaining
        period =
            switch view.limit.period {
            case .day: "day"
            case .week: "week"
            case .month: "month"
            case .prepaid: "prepaid"
            }
        zone = view.limit.zone
        periodStart = "\(view.span.start)"
        periodEnd = view.span.end.map { "\($0)" }
        warnAt = view.limit.warnAt
        (onReached, slowRate) =
            switch view.limit.onReached {
            case .block: ("block", nil)
            case .quarantine: ("quarantine", nil)
            case .slow(let rate): ("slow", "\(rate)")
            }
        reachedAt = view.reachedAt.map { "\($0)" }
    }
}

/// Rates in force, in words; with those of volumes that slow.
struct RatesAnswer: Encodable {
    let up: String?
    let down: String?
    /// Octets.
    let burst: UInt64?
    /// Why both are as low as they are; left out when no volume slows.
    let slowedBy: String?

    init?(_ view: ControlPlane.EffectivePolicyView) {
        guard view.isLimiting else { return nil }
        let slow = view.volumes.compactMap { volume -> (BitRate, SessionPolicyLevel)? in
            guard volume.reachedAt != nil, case .slow(let rate) = volume.limit.onReached else { return nil }
            return (rate, volume.level)
        }.min { $0.0 < $1.0 }
        let lowest = { (rate: BitRate?) in [rate, slow?.0].compactMap { $0 }.min().map { "\($0)" } }
        up = lowest(view.effective.up?.value)
        down = lowest(view.effective.down?.value)
        burst = view.effective.burst?.value
        slowedBy = slow?.1.rawValue
        if up == nil, down == nil { return nil }
    }
}

struct SIMLimitAnswer: Encodable {
    let imsi: String
    let volumes: [VolumeAnswer]
    let rates: RatesAnswer?

    init(_ view: ControlPlane.EffectivePolicyView) {
        imsi = "\(view.imsi)"
        volumes = view.volumes.map(VolumeAnswer.init)
        rates = RatesAnswer(view)
    }
}

struct VolumeChangeAnswer: Encodable {
    let imsi: String
    let volume: VolumeAnswer
    let sessions: Int
    let inForceMs: Double
    let flowsCut: Int
    let totalMs: Double

    init(_ change: ControlPlane.VolumeChange) {
        imsi = "\(change.imsi)"
        volume = VolumeAnswer(change.volume)
        sessions = change.report.sessions
        inForceMs = change.report.inForce.milliseconds
        flowsCut = change.report.flowsCut
        totalMs = change.report.total.milliseconds
    }
}
