package import Domain

/// The last things that happened to a tunnel, oldest first. One that repeats is counted and not written again.
package struct TunnelTimeline: Hashable, Sendable {
    package struct Entry: Hashable, Sendable {
        package let first: Timestamp
        package internal(set) var last: Timestamp
        package internal(set) var count: Int
        package internal(set) var sentence: String
    }

    package private(set) var entries: [Entry] = []

    package static let maximumEntries = 32
    /// A retry is several sentences that repeat in turn, so a repetition is looked for among this many.
    static let window = 6

    mutating func note(_ sentence: String, at time: Timestamp) {
        if let place = entries.indices.suffix(Self.window).last(where: { entries[$0].sentence == sentence }) {
            var entry = entries.remove(at: place)
            entry.last = time
            entry.count += 1
            entries.append(entry)
            return
        }
        if entries.count == Self.maximumEntries { entries.removeFirst() }
        entries.append(Entry(first: time, last: time, count: 1, sentence: sentence))
    }

    /// Says better what was said of the same event before more was known about it.
    mutating func amend(_ sentence: String, to better: String, at time: Timestamp) {
        guard sentence != better else { return }
        if let place = entries.indices.suffix(Self.window).last(where: { entries[$0].sentence == sentence }) {
            if entries[place].count == 1 {
                entries.remove(at: place)
            } else {
                entries[place].count -= 1
            }
        }
        note(better, at: time)
    }
}
