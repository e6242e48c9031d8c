import Domain

/// Attributes on their way out.
struct AttributeWriter {
    private(set) var octets: [UInt8] = []

    /// With room for what most answers have.
    init() { octets.reserveCapacity(160) }

    /// Appends an attribute whose value `body` writes.
    mutating func append(_ type: UInt8, _ body: (inout [UInt8]) -> Void) {
        let start = octets.count
        octets += [type, 0]
        body(&octets)
        // Longer than an attribute can be is our own mistake: every caller's values are bounded.
        octets[start + 1] = UInt8(octets.count - start)
    }

    mutating func append(_ type: UInt8, _ number: UInt32) { append(type) { $0.append(bigEndian: number) } }

    /// An IPv6 prefix (RFC 3162 §2.3, RFC 4818 §3): a reserved octet, the length in bits, and as many octets of the prefix as
    /// have bits of it (RFC 8044 §3.10).
    mutating func append(_ type: UInt8, _ prefix: IPv6Prefix) {
        append(type) { value in
            value += [0, prefix.length]
            for index in 0..<Int((prefix.length + 7) / 8) {
                value.append(UInt8(truncatingIfNeeded: prefix.address.bits >> UInt128(120 - 8 * index)))
            }
        }
    }

    mutating func append(_ type: UInt8, _ text: some Sequence<UInt8>) { append(type) { $0 += text } }

    /// Appends one attribute of a vendor in a Vendor-Specific of its own (RFC 2865 §5.26).
    mutating func append(vendor: UInt32, _ type: UInt8, _ text: some Sequence<UInt8>) {
        append(26) { value in
            value.append(bigEndian: vendor)
            let start = value.count
            value += [type, 0]
            value += text
            value[start + 1] = UInt8(value.count - start)
        }
    }

    mutating func append(vendor: UInt32, _ type: UInt8, _ number: UInt32) {
        append(vendor: vendor, type, withUnsafeBytes(of: number.bigEndian, Array.init))
    }

    mutating func append(proxyStates: [[UInt8]]) {
        for state in proxyStates { append(33, state) }
    }
}

extension [UInt8] {
    mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }

    /// A header with zero in the authenticator's place, and what follows it.
    static func packet(
        _ code: Code, identifier: UInt8, attributes: AttributeWriter
    ) throws(PacketError) -> [UInt8] {
        let length = Header.octets + attributes.octets.count
        guard length <= Header.longestPacket else { throw .answerTooLong }
        var packet: [UInt8] = [code.rawValue, identifier]
        packet.reserveCapacity(length)
        packet.append(bigEndian: UInt16(length))
        packet.append(bigEndian: UInt128(0))
        packet += attributes.octets
        return packet
    }

    mutating func put(_ number: UInt128, at offset: Int) {
        for index in 0..<16 { self[offset + index] = UInt8(truncatingIfNeeded: number >> (120 - 8 * index)) }
    }

    /// Fills in the Message-Authenticator that stands first, then the authenticator.
    mutating func sign(request authenticator: UInt128, messageAuthenticator: Bool, secret: Secret) {
        if messageAuthenticator {
            let offset = Header.octets + 2
            put(
                Authenticator.messageAuthenticator(of: span, at: offset, authenticator: authenticator, secret: secret),
                at: offset)
        }
        put(Authenticator.digest(of: span, authenticator: authenticator, secret: secret), at: 4)
    }
}
