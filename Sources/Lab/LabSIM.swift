import Domain

/// A SIM of the laboratory with the device that it sits in, and the RADIUS requests a P-GW sends for them.
public struct LabSIM: Hashable, Sendable {
    public let tenant: String
    public let group: String
    /// 1 and up, within the tenant.
    public let number: Int
    /// Test network 001-01; the digits before the last four tell the tenants apart.
    public let imsi: String

    public init(tenant: String, tenantNumber: Int, group: String, number: Int) {
        self.tenant = tenant
        self.group = group
        self.number = number
        imsi = "00101" + Self.padded(tenantNumber * 10_000 + number, to: 10)
    }

    public var iccid: String { "8988" + imsi }
    /// Country code 882 is for international networks, so no number belongs to anybody.
    public var msisdn: String { "882" + imsi.suffix(9) }
    public var name: String { "\(group)-\(number)" }
    /// TAC, serial number, software version.
    public var imeisv: String { "35145120" + imsi.suffix(6) + "01" }

    /// A row of the import file, whose header is ``csvHeader``.
    public var csvRow: String { "\(iccid),\(imsi),\(msisdn),\(group),\(name)" }
    public static let csvHeader = "iccid,imsi,msisdn,group,name"

    /// An Access-Request as in 3GPP TS 29.061 §16.4.1, in radclient's notation.
    var accessRequest: String {
        """
        Message-Authenticator = 0x00
        User-Name = "\(msisdn)"
        User-Password = "gprs"
        NAS-IP-Address = \(LabLayout.packetGateway)
        NAS-Identifier = "lab-pgw"
        NAS-Port-Type = Wireless-Other
        Service-Type = Framed-User
        Framed-Protocol = GPRS-PDP-Context
        \(bearer)

        """
    }

    /// What accounting packets of one session have in common.
    func accounting(address: IPv4Address, class token: String?) -> String {
        """
        Acct-Session-Id = "\(sessionID)"
        User-Name = "\(msisdn)"
        NAS-IP-Address = \(LabLayout.packetGateway)
        NAS-Identifier = "lab-pgw"
        Framed-IP-Address = \(address)
        Acct-Input-Octets = 0
        Acct-Output-Octets = 0
        \(token.map { "Class = \($0)" } ?? "Acct-Authentic = RADIUS")
        \(bearer)

        """
    }

    private var sessionID: String { "c6120002" + imsi.suffix(8) }

    /// User-Location-Info: 130 is TAI and ECGI; PLMN 001-01 is 00 f1 10; TAC 1; the cell's number is the SIM's.
    private var bearer: String {
        let cell = String(0x0100 + number, radix: 16)
        let identity = String(repeating: "0", count: 8 - cell.utf8.count) + cell
        return """
            Called-Station-Id = "iot"
            Calling-Station-Id = "\(msisdn)"
            3GPP-IMSI = "\(imsi)"
            3GPP-Charging-ID = \(number)
            3GPP-PDP-Type = 0
            3GPP-IMSI-MCC-MNC = "00101"
            3GPP-GGSN-MCC-MNC = "00101"
            3GPP-SGSN-MCC-MNC = "00101"
            3GPP-NSAPI = "5"
            3GPP-Selection-Mode = "0"
            3GPP-IMEISV = "\(imeisv)"
            3GPP-RAT-Type = 8
            3GPP-User-Location-Info = 0x8200f110000100f110\(identity)
            """
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
