/// One thing that happened: a session began, a SIM was refused, a VPN went down, a policy was changed.
public struct Event: Hashable, Sendable {
    /// The place among all events, of every tenant: grows by one with each, and is never given to another. What a reader
    /// remembers to go on from.
    public typealias Number = Int64
    public let number: Number
    public let news: News

    public init(number: Number, news: News) {
        self.number = number
        self.news = news
    }

    /// An event that has no number yet.
    public struct News: Hashable, Sendable {
        public let time: Timestamp
        public let code: Code
        /// `nil`: the operator's, which no tenant sees.
        public let tenant: Tenant.ID?
        public let imsi: IMSI?
        public let session: Session.ID?
        public let subject: Subject
        /// One sentence for people, ``wordsLimit`` octets at most.
        public let words: String
        public let details: [Detail]

        /// Words that are longer than the limit are cut; characters that would break a line become spaces.
        public init(
            _ code: Code, of tenant: Tenant.ID?, about subject: Subject, at time: Timestamp, imsi: IMSI? = nil,
            session: Session.ID? = nil, words: String, details: [Detail] = []
        ) {
            self.time = time
            self.code = code
            self.tenant = tenant
            self.imsi = imsi
            self.session = session
            self.subject = subject
            self.words = words.onOneLine(upTo: Event.wordsLimit)
            self.details = details.count > Event.detailsLimit ? Array(details.prefix(Event.detailsLimit)) : details
        }
    }

    public static let wordsLimit = 400
    public static let detailsLimit = 16

    /// What an event tells beside its words, for programs.
    public struct Detail: Hashable, Sendable {
        /// Lower-case letters, digits and underscores, as fields of the API are.
        public let key: String
        /// 200 octets at most.
        public let value: String

        public init(_ key: StaticString, _ value: some CustomStringConvertible) {
            self.init(key: "\(key)", value: value.description)
        }

        /// As the store has it.
        public init(key: String, value: String) {
            self.key = key
            self.value = value.onOneLine(upTo: 200)
        }
    }

    /// What an event is about, by the name that its owner knows it by.
    public struct Subject: Hashable, Sendable, CustomStringConvertible {
        public let kind: Kind
        public let name: String

        public enum Kind: String, Hashable, Sendable, CaseIterable {
            case sim, vpn, policy, group, tenant, nas, gateway
        }

        public init(_ kind: Kind, _ name: some CustomStringConvertible) {
            self.kind = kind
            self.name = name.description.onOneLine(upTo: 128)
        }

        /// Reads ``description``; `nil` for anything else.
        public init?(_ text: some StringProtocol) {
            guard let mark = text.firstIndex(of: "/"), let kind = Kind(rawValue: String(text[..<mark])) else {
                return nil
            }
            self.init(kind, String(text[text.index(after: mark)...]))
        }

        /// `vpn/hq`
        public var description: String { "\(kind.rawValue)/\(name)" }
    }
}

extension String {
    /// The same on one line and within a number of octets, cut between characters.
    fileprivate func onOneLine(upTo limit: Int) -> String {
        guard utf8.count > limit || utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { return self }
        var result = ""
        for character in self {
            let isControl = character.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
            let next = isControl ? " " : String(character)
            guard result.utf8.count + next.utf8.count <= limit else { break }
            result += next
        }
        return result
    }
}
