/// What the other end of a VPN runs, as far as Cordon can write its configuration.
public enum PeerVendor: String, CaseIterable, Hashable, Sendable {
    case strongswan
    case libreswan
    case fortigate
    case ciscoIOSXE = "cisco-iosxe"
    case paloalto
    case mikrotik
    case opnsense
    case aws
    case azure

    /// As people call it.
    public var title: String {
        switch self {
        case .strongswan: "strongSwan"
        case .libreswan: "Libreswan"
        case .fortigate: "FortiGate"
        case .ciscoIOSXE: "Cisco IOS XE"
        case .paloalto: "Palo Alto Networks PAN-OS"
        case .mikrotik: "MikroTik RouterOS"
        case .opnsense: "OPNsense"
        case .aws: "AWS Site-to-Site VPN"
        case .azure: "Azure VPN Gateway"
        }
    }

    /// Which of the vendor's documents, of which version, the configuration follows.
    public var documentation: String { guide.documentation }

    var guide: any PeerGuide {
        switch self {
        case .strongswan: StrongSwanGuide()
        case .libreswan: LibreswanGuide()
        case .fortigate: FortiGateGuide()
        case .ciscoIOSXE: CiscoGuide()
        case .paloalto: PaloAltoGuide()
        case .mikrotik: MikroTikGuide()
        case .opnsense: OPNsenseGuide()
        case .aws: AWSGuide()
        case .azure: AzureGuide()
        }
    }
}
