import Crypto

/// What a SIM is in, and where that is.
struct Place {
    let imeisv: String
    let cell: UInt32
}

/// One SIM of the fleet, as the P-GW names it.
struct Subscriber {
    let imsi: String
    let number: Int
    let place: Place

    init(number: Int, imsiPrefix: String, place: Place) {
        self.number = number
        self.place = place
        imsi = imsiPrefix + Self.padded(number, to: 15 - imsiPrefix.utf8.count)
    }

    var msisdn: String { "882" + imsi.suffix(9) }
    var sessionID: String { "b0" + imsi.suffix(12) }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

/// A RADIUS request being written: RFC 2865 §3, 3GPP TS 29.061 §16.4.
///
/// The generator encodes and checks on its own, so that a mistake in the product's codec is not made twice.
struct RequestWriter {
    private(set) var bytes: [UInt8]

    init(code: UInt8, identifier: UInt8) {
        bytes = [code, identifier, 0, 0] + [UInt8](repeating: 0, count: 16)
    }

    mutating func put(_ type: UInt8, _ value: [UInt8]) {
        bytes.append(type)
        bytes.append(UInt8(value.count + 2))
        bytes += value
    }

    mutating func put(_ type: UInt8, _ text: String) { put(type, Array(text.utf8)) }
    mutating func put(_ type: UInt8, _ number: UInt32) { put(type, Self.octets(number)) }

    mutating func put3GPP(_ type: UInt8, _ value: [UInt8]) {
        put(26, [0, 0, 0x28, 0xaf, type, UInt8(value.count + 2)] + value)
    }

    static func octets(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    private mutating func setLength() {
        bytes[2] = UInt8(bytes.count >> 8)
        bytes[3] = UInt8(bytes.count & 0xff)
    }

    private mutating func replace(at offset: Int, with value: some Sequence<UInt8>) {
        for (index, byte) in value.enumerated() { bytes[offset + index] = byte }
    }

    /// Finishes an Access-Request whose first attribute is a Message-Authenticator of zeros.
    mutating func signAccess(authenticator: [UInt8], secret: [UInt8]) {
        setLength()
        replace(at: 4, with: authenticator)
        replace(
            at: 22, with: HMAC<Insecure.MD5>.authenticationCode(for: bytes, using: SymmetricKey(data: secret)))
    }

    /// Finishes an Accounting-Request (RFC 2866 §3).
    mutating func signAccounting(secret: [UInt8]) {
        setLength()
        replace(at: 4, with: Insecure.MD5.hash(data: bytes + secret))
    }
}

extension Subscriber {
    func accessRequest(identifier: UInt8, secret: [UInt8]) -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let authenticator = (0..<2).flatMap { _ in
            let bits = random.next()
            return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
        }
        var writer = RequestWriter(code: 1, identifier: identifier)
        writer.put(80, [UInt8](repeating: 0, count: 16))
        writer.put(1, imsi)
        let password = Array("gprs".utf8) + [UInt8](repeating: 0, count: 12)
        writer.put(2, zip(password, Insecure.MD5.hash(data: secret + authenticator)).map { $0 ^ $1 })
        putCommon(&writer)
        writer.signAccess(authenticator: authenticator, secret: secret)
        return writer.bytes
    }

    enum Status: UInt32 {
        case start = 1
        case stop = 2
        case interim = 3
    }

    func accountingRequest(
        _ status: Status, identifier: UInt8, address: UInt32, token: [UInt8], secret: [UInt8]
    ) -> [UInt8] {
        var writer = RequestWriter(code: 4, identifier: identifier)
        writer.put(40, status.rawValue)
        writer.put(44, sessionID)
        writer.put(1, imsi)
        if address != 0 { writer.put(8, address) }
        if !token.isEmpty { writer.put(25, token) }
        if status != .start {
            writer.put(42, UInt32(1000 + number))
            writer.put(43, UInt32(2000 + number))
            writer.put(46, 60)
            writer.put(47, 10)
            writer.put(48, 20)
        }
        if status == .stop { writer.put(49, 1) }
        putCommon(&writer)
        writer.signAccounting(secret: secret)
        return writer.bytes
    }

    private func putCommon(_ writer: inout RequestWriter) {
        writer.put(4, 0xc612_0002)
        writer.put(32, "lab-pgw")
        writer.put(61, 18)
        writer.put(6, 2)
        writer.put(7, 7)
        writer.put(30, "iot")
        writer.put(31, msisdn)
        writer.put3GPP(1, Array(imsi.utf8))
        writer.put3GPP(2, RequestWriter.octets(UInt32(number)))
        writer.put3GPP(3, RequestWriter.octets(0))
        writer.put3GPP(8, Array("00101".utf8))
        writer.put3GPP(9, Array("00101".utf8))
        writer.put3GPP(10, Array("5".utf8))
        writer.put3GPP(12, Array("0".utf8))
        writer.put3GPP(18, Array("00101".utf8))
        writer.put3GPP(20, Array(place.imeisv.utf8))
        writer.put3GPP(21, [8])
        // TAI and ECGI of 001-01.
        writer.put3GPP(22, [0x82, 0, 0xf1, 0x10, 0, 1, 0, 0xf1, 0x10] + RequestWriter.octets(place.cell))
    }
}

/// What came back, checked against its request.
struct Answer {
    let code: UInt8
    var address: UInt32?
    var token: [UInt8] = []

    /// - Returns: `nil` when it is no answer to this request: wrong length, identifier or authenticator.
    init?(_ bytes: ArraySlice<UInt8>, to request: ArraySlice<UInt8>, secret: [UInt8]) {
        let bytes = Array(bytes)
        let request = Array(request.prefix(20))
        guard bytes.count >= 20, Int(bytes[2]) << 8 | Int(bytes[3]) == bytes.count, bytes[1] == request[1] else {
            return nil
        }
        let asked = request[4..<20]
        let digest = Insecure.MD5.hash(data: bytes[..<4] + asked + bytes[20...] + secret)
        guard digest.elementsEqual(bytes[4..<20]) else { return nil }
        code = bytes[0]
        var offset = 20
        while offset < bytes.count {
            guard offset + 2 <= bytes.count, bytes[offset + 1] >= 2, offset + Int(bytes[offset + 1]) <= bytes.count
            else {
                return nil
            }
            let value = bytes[(offset + 2)..<(offset + Int(bytes[offset + 1]))]
            switch bytes[offset] {
            case 8 where value.count == 4: address = value.reduce(0) { $0 << 8 | UInt32($1) }
            case 25: token = Array(value)
            case 80:
                var signed = bytes[..<4] + asked + bytes[20...]
                for index in value.indices { signed[index] = 0 }
                let code = HMAC<Insecure.MD5>.authenticationCode(for: signed, using: SymmetricKey(data: secret))
                guard code.elementsEqual(value) else { return nil }
            default: break
            }
            offset += Int(bytes[offset + 1])
        }
    }
}
