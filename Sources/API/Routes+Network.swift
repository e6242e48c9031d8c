import Control
import Domain
import Hummingbird

/// The operator's NAS and address pools.
extension RouteTable {
    func addNetwork() {
        post("/v1/nas") { call in
            let body = try await call.json(NewNASBody.self)
            let nas = try await call.control.createNAS(
                body.name.value, address: body.address.value, secret: Secret(bytes: Array(body.secret.utf8)),
                requiresMessageAuthenticator: body.requiresMessageAuthenticator ?? true,
                disconnectPort: body.disconnectPort?.value ?? 3799,
                disconnectKey: body.disconnectKey?.value ?? .imsiAndNSAPI, by: call.principal)
            return .created(NASAnswer(nas), at: ["nas", "\(nas.name)"])
        }
        get("/v1/nas") { call in
            .json(Page(items: try await call.control.allNAS(by: call.principal).map(NASAnswer.init)))
        }
        get("/v1/nas/{nas}") { call in
            .json(NASAnswer(try await call.control.nas(try call.path("nas"), by: call.principal)))
        }
        patch("/v1/nas/{nas}") { call in
            let body = try await call.json(NASChangeBody.self)
            let secret = body.secret.map { Secret(bytes: Array($0.utf8)) }
            let nas = try await call.control.updateNAS(try call.path("nas"), secret: secret, by: call.principal) {
                body.change(&$0)
            }
            return .json(NASAnswer(nas))
        }
        delete("/v1/nas/{nas}") { call in
            try await call.control.deleteNAS(try call.path("nas"), by: call.principal)
            return .noContent
        }
        post("/v1/pools") { call in
            let body = try await call.json(NewPoolBody.self)
            let answer: PoolAnswer
            switch body.prefix.value {
            case .v4(let prefix):
                guard body.delegatedLength == nil else {
                    throw ControlError.wrong("delegated_length", "is of pools of IPv6 only")
                }
                let pool = try await call.control.createPool(
                    prefix, blockLength: body.blockLength?.value ?? max(24, min(prefix.length, 30)),
                    by: call.principal)
                answer = PoolAnswer(AddressPoolUsage(pool: pool, blocksGiven: 0, addressesLeased: 0))
            case .v6(let prefix):
                let pool = try await call.control.createPool(
                    prefix, blockLength: body.blockLength?.value ?? max(48, min(prefix.length, 59)),
                    delegatedLength: body.delegatedLength?.value, by: call.principal)
                answer = PoolAnswer(PrefixPoolUsage(pool: pool, blocksGiven: 0, prefixesLeased: 0))
            }
            return .created(answer, at: ["pools", answer.prefix])
        }
        get("/v1/pools") { call in
            let pools = try await call.control.pools(by: call.principal).map(PoolAnswer.init)
            return .json(
                Page(items: try await pools + call.control.prefixPools(by: call.principal).map(PoolAnswer.init)))
        }
        delete("/v1/pools/{prefix}") { call in
            switch try call.path("prefix") as IPPrefix {
            case .v4(let prefix): try await call.control.deletePool(prefix, by: call.principal)
            case .v6(let prefix): try await call.control.deletePool(prefix, by: call.principal)
            }
            return .noContent
        }
    }
}

struct NASAnswer: Encodable {
    let name: String
    let address: String
    let requiresMessageAuthenticator: Bool
    let disconnectPort: UInt16
    let disconnectKey: String
    let attributes: [String]
    let attempts: UInt8
    let firstWaitMs: UInt32
    let requestsPerSecond: UInt16
    let coa: Bool
    let coaPort: UInt16
    let interimSeconds: UInt32
    let staleIntervals: UInt16
    let idleMinutes: UInt32

    init(_ nas: NAS) {
        attributes = nas.sessionAttributes.map(\.rawValue)
        attempts = nas.profile.attempts
        firstWaitMs = nas.profile.firstWaitMilliseconds
        requestsPerSecond = nas.profile.requestsPerSecond
        coa = nas.profile.takesChanges
        coaPort = nas.profile.changePort ?? nas.disconnectPort
        interimSeconds = nas.profile.interimSeconds
        staleIntervals = nas.profile.staleIntervals
        idleMinutes = nas.profile.idleMinutes
        name = "\(nas.name)"
        address = "\(nas.address)"
        requiresMessageAuthenticator = nas.requiresMessageAuthenticator
        disconnectPort = nas.disconnectPort
        disconnectKey = nas.disconnectKey.rawValue
    }
}

struct PoolAnswer: Encodable {
    let prefix: String
    let blockLength: UInt8
    let blocks: UInt64
    let blocksGiven: UInt64
    /// Of IPv6: leases, one for each SIM on an APN.
    let addressesLeased: UInt64
    let delegatedLength: UInt8?

    init(_ usage: PrefixPoolUsage) {
        prefix = "\(usage.pool.prefix)"
        blockLength = usage.pool.blockLength
        blocks = usage.pool.blockCount
        blocksGiven = usage.blocksGiven
        addressesLeased = usage.prefixesLeased
        delegatedLength = usage.pool.delegatedLength
    }

    init(_ usage: AddressPoolUsage) {
        delegatedLength = nil
        prefix = "\(usage.pool.prefix)"
        blockLength = usage.pool.blockLength
        blocks = usage.pool.blockCount
        blocksGiven = usage.blocksGiven
        addressesLeased = usage.addressesLeased
    }
}

/// What is to be different of a NAS; what is left out stays.
struct NASChangeBody: RequestBody {
    /// Goes in and never comes out again.
    let secret: String?
    let requiresMessageAuthenticator: Bool?
    let disconnectPort: Whole<UInt16>?
    let disconnectKey: Text<NAS.DisconnectKey>?
    /// Empty: what the key says.
    let attributes: [Text<NAS.SessionAttribute>]?
    let attempts: Whole<UInt8>?
    let firstWait: Whole<UInt32>?
    let requestsPerSecond: Whole<UInt16>?
    let coa: Bool?
    let coaPort: Whole<UInt16>?
    let interimSeconds: Whole<UInt32>?
    let staleIntervals: Whole<UInt16>?
    let idleMinutes: Whole<UInt32>?
    enum CodingKeys: String, CodingKey, CaseIterable {
        case secret
        case requiresMessageAuthenticator = "requires_message_authenticator"
        case disconnectPort = "disconnect_port"
        case disconnectKey = "disconnect_key"
        case attributes, attempts
        case firstWait = "first_wait_ms"
        case requestsPerSecond = "requests_per_second"
        case coa
        case coaPort = "coa_port"
        case interimSeconds = "interim_seconds"
        case staleIntervals = "stale_intervals"
        case idleMinutes = "idle_minutes"
    }

    func change(_ nas: inout NAS) {
        nas.requiresMessageAuthenticator = requiresMessageAuthenticator ?? nas.requiresMessageAuthenticator
        nas.disconnectPort = disconnectPort?.value ?? nas.disconnectPort
        nas.disconnectKey = disconnectKey?.value ?? nas.disconnectKey
        nas.profile.attributes = attributes?.map(\.value) ?? nas.profile.attributes
        nas.profile.attempts = attempts?.value ?? nas.profile.attempts
        nas.profile.firstWaitMilliseconds = firstWait?.value ?? nas.profile.firstWaitMilliseconds
        nas.profile.requestsPerSecond = requestsPerSecond?.value ?? nas.profile.requestsPerSecond
        nas.profile.takesChanges = coa ?? nas.profile.takesChanges
        nas.profile.changePort = coaPort?.value ?? nas.profile.changePort
        nas.profile.interimSeconds = interimSeconds?.value ?? nas.profile.interimSeconds
        nas.profile.staleIntervals = staleIntervals?.value ?? nas.profile.staleIntervals
        nas.profile.idleMinutes = idleMinutes?.value ?? nas.profile.idleMinutes
    }
}
