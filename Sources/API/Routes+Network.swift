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
        delete("/v1/nas/{nas}") { call in
            try await call.control.deleteNAS(try call.path("nas"), by: call.principal)
            return .noContent
        }
        post("/v1/pools") { call in
            let body = try await call.json(NewPoolBody.self)
            let pool = try await call.control.createPool(
                body.prefix.value, blockLength: body.blockLength?.value ?? max(24, min(body.prefix.value.length, 30)),
                by: call.principal)
            return .created(
                PoolAnswer(AddressPoolUsage(pool: pool, blocksGiven: 0, addressesLeased: 0)),
                at: ["pools", "\(pool.prefix)"])
        }
        get("/v1/pools") { call in
            .json(Page(items: try await call.control.pools(by: call.principal).map(PoolAnswer.init)))
        }
        delete("/v1/pools/{prefix}") { call in
            try await call.control.deletePool(try call.path("prefix"), by: call.principal)
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

    init(_ nas: NAS) {
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
    let addressesLeased: UInt64

    init(_ usage: AddressPoolUsage) {
        prefix = "\(usage.pool.prefix)"
        blockLength = usage.pool.blockLength
        blocks = usage.pool.blockCount
        blocksGiven = usage.blocksGiven
        addressesLeased = usage.addressesLeased
    }
}
