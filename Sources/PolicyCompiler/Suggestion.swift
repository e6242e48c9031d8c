/// Finds what a mistyped word was meant to be.
enum Suggestion {
    /// ` (did you mean "ports"?)` for the nearest of `candidates`, or nothing when none is near.
    static func text(for word: String, among candidates: [String]) -> String {
        let near = candidates.map { ($0, distance(word, $0)) }.filter { $0.1 <= 2 && $0.1 < word.utf8.count }
        guard let best = near.min(by: { $0.1 < $1.1 }) else { return "" }
        return " (did you mean \"\(best.0)\"?)"
    }

    /// How many letters must be inserted, removed, replaced or swapped with their neighbour to get from one to the
    /// other, whatever the case; 99 for words longer than 32 octets.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.lowercased().utf8), Array(b.utf8))
        guard a.count <= 32, b.count <= 32 else { return 99 }
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
                row.append(cost)
            }
            (beforeLast, last) = (last, row)
        }
        return last[b.count]
    }
}
