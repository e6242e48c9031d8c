public import Domain

/// What an accepted session is given (RFC 2865 §4.2, 3GPP TS 29.061 §16.4.2).
public struct AccessAccept: Hashable, Sendable {
    /// `nil`: the session has IPv6 only.
    public var address: IPv4Address?
    public var token: SessionToken
    /// The first two are sent, as Microsoft's attributes 28 and 29 (RFC 2548 §2.7.1).
    public var dnsServers: [IPv4Address]
    /// `nil`: the session has IPv4 only.
    public var prefixes: SessionPrefixes?
    /// The first two are sent with ``prefixes``, as 3GPP-IPv6-DNS-Servers (3GPP TS 29.061 §16.4.7.2, VSA 17).
    public var dnsServers6: [IPv6Address]
    /// Acct-Interim-Interval, RFC 2869 §5.16: not under 60.
    public var interimSeconds: UInt32?

    public init(
        address: IPv4Address?, token: SessionToken, dnsServers: [IPv4Address], interimSeconds: UInt32?,
        prefixes: SessionPrefixes? = nil, dnsServers6: [IPv6Address] = []
    ) {
        self.prefixes = prefixes
        self.dnsServers6 = dnsServers6
        self.address = address
        self.token = token
        self.dnsServers = dnsServers
        self.interimSeconds = interimSeconds
    }

    public func encoded(answering request: Echo<AccessRequest>, secret: Secret) throws(PacketError) -> [UInt8] {
        var attributes = AttributeWriter.protected()
        attributes.append(6, 2)  // Service-Type: Framed
        attributes.append(7, 7)  // Framed-Protocol: GPRS-PDP-Context
        if let address {
            attributes.append(8, address.bits)
            attributes.append(9, UInt32.max)  // Framed-IP-Netmask: the address alone
        }
        ClassAttribute.append(token, to: &attributes)
        if address != nil {
            for (type, server) in zip([28, 29] as [UInt8], dnsServers) {
                attributes.append(vendor: Attribute.vendorMicrosoft, type, server.bits)
            }
        }
        if let prefixes {
            attributes.append(97, prefixes.link)  // Framed-IPv6-Prefix
            if let delegated = prefixes.delegated { attributes.append(123, delegated) }  // Delegated-IPv6-Prefix
            if !dnsServers6.isEmpty {
                var octets: [UInt8] = []
                for server in dnsServers6.prefix(2) { octets.append(bigEndian: server.bits) }
                attributes.append(vendor: Attribute.vendor3GPP, 17, octets)
            }
        }
        if let interimSeconds { attributes.append(85, interimSeconds) }
        return try attributes.answer(.accessAccept, to: request, secret: secret)
    }
}

/// A refusal (RFC 2865 §4.3).
public struct AccessReject: Hashable, Sendable {
    /// Reply-Message: the reason's code, for whoever reads the NAS's log.
    public var reason: AttachRejection

    public init(reason: AttachRejection) { self.reason = reason }

    public func encoded(answering request: Echo<AccessRequest>, secret: Secret) throws(PacketError) -> [UInt8] {
        var attributes = AttributeWriter.protected()
        attributes.append(18, reason.rawValue.utf8)
        return try attributes.answer(.accessReject, to: request, secret: secret)
    }
}

/// Says that a report is recorded (RFC 2866 §4.2).
public struct AccountingResponse: Hashable, Sendable {
    public init() {}

    public func encoded(answering request: Echo<AccountingRequest>, secret: Secret) throws(PacketError) -> [UInt8] {
        var attributes = AttributeWriter()
        attributes.append(proxyStates: request.proxyStates)
        var packet = try [UInt8].packet(
            .accountingResponse, identifier: request.identifier, attributes: attributes)
        packet.sign(request: request.authenticator, messageAuthenticator: false, secret: secret)
        return packet
    }
}

extension AttributeWriter {
    /// Begins with room for Message-Authenticator: it goes first, so that no prefix can be chosen around it
    /// (CVE-2024-3596).
    static func protected() -> Self {
        var attributes = AttributeWriter()
        attributes.append(80) { $0.append(bigEndian: UInt128(0)) }
        return attributes
    }

    fileprivate func answer(
        _ code: Code, to request: Echo<AccessRequest>, secret: Secret
    ) throws(PacketError) -> [UInt8] {
        var attributes = self
        attributes.append(proxyStates: request.proxyStates)
        var packet = try [UInt8].packet(code, identifier: request.identifier, attributes: attributes)
        packet.sign(request: request.authenticator, messageAuthenticator: true, secret: secret)
        return packet
    }
}
