/// How the text of a blocklist is written.
public enum BlocklistFormat: String, Hashable, Sendable, CaseIterable {
    /// A response policy zone (draft-vixie-dnsop-dns-rpz-00) as a zone file (RFC 1035 §5).
    case rpz
    /// `0.0.0.0 NAME` a line, as in hosts(5).
    case hosts
    /// `NAME`, `*.NAME` or `||NAME^` a line.
    case plain
    /// What the first line that says something looks like.
    case auto
}
