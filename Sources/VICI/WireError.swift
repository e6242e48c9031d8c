/// Why octets are no packet, or why a packet has no octets. The payload is integers only: where in the packet, counted
/// from its type.
package enum WireError: Error, Hashable, Sendable {
    /// A field ends after the packet does.
    case truncated(at: Int)
    /// Not one of the eight packet types.
    case packetType(UInt8)
    /// Not an element's type, or one that may not stand there: an item outside a list, anything else inside one.
    case element(UInt8, at: Int)
    /// An empty name or key, or one that is no UTF-8.
    case name(at: Int)
    /// Sections nested deeper than ``Message/maximumDepth``.
    case depth(at: Int)
    /// The packet ends inside a section or a list.
    case unclosed(at: Int)
    /// Octets after a packet that has no message.
    case trailing(at: Int)
    /// A stated length of zero or above ``Packet/maximumLength``; the connection has lost its place.
    case packetLength(Int)
    /// When encoding: a name or key of none, or more than 255 octets.
    case nameLength(Int)
    /// When encoding: a value of more than 65535 octets.
    case valueLength(Int)

    /// The reason in counters.
    package var label: String {
        switch self {
        case .truncated: "truncated"
        case .packetType: "packet-type"
        case .element: "element"
        case .name: "name"
        case .depth: "depth"
        case .unclosed: "unclosed"
        case .trailing: "trailing"
        case .packetLength: "packet-length"
        case .nameLength: "name-length"
        case .valueLength: "value-length"
        }
    }
}
