import TestSupport
import VICI

extension Generator {
    /// A message that can be sent, of up to `depth` nested sections.
    mutating func message(depth: Int = 4) -> Message {
        var message = Message()
        for _ in 0..<Int.random(in: 0...5, using: &self) {
            let key = key()
            switch Int.random(in: 0...(depth > 0 ? 3 : 2), using: &self) {
            case 0: message.append(key, octets: octets())
            case 1: message.append(key, octetLists: (0..<Int.random(in: 0...4, using: &self)).map { _ in octets() })
            case 2: message.append(key, pick("yes", "no", "0", "-1", "18446744073709551615", "", "ff00"))
            default: message.append(key, section: self.message(depth: depth - 1))
            }
        }
        return message
    }

    mutating func packet() -> Packet {
        switch Int.random(in: 0...7, using: &self) {
        case 0: .commandRequest(name: key(), message())
        case 1: .commandResponse(message())
        case 2: .commandUnknown
        case 3: .eventRegister(name: key())
        case 4: .eventUnregister(name: key())
        case 5: .eventConfirm
        case 6: .eventUnknown
        default: .event(name: key(), message())
        }
    }

    /// 1 to 255 octets.
    private mutating func key() -> String {
        if oneIn(20) { return String(repeating: "k", count: 255) }
        return pick("id", "child-sas", "uniqueid", "state", "vpn-17", "ä", "old", "new") + (oneIn(2) ? "" : "-1")
    }

    private mutating func octets() -> [UInt8] {
        if oneIn(200) { return [UInt8](repeating: 0xa5, count: 65535) }
        return (0..<Int.random(in: 0...40, using: &self)).map { _ in UInt8.random(in: .min ... .max, using: &self) }
    }
}
