import Domain

extension Array where Element: AddressPrefix {
    /// The same addresses in as few prefixes as there can be: those inside others go, two halves become their whole.
    func merged() -> [Element] {
        guard count > 1 else { return self }
        var result: [Element] = []
        for prefix in sorted() {
            if let last = result.last, last.contains(prefix) { continue }
            var whole = prefix
            while let last = result.last, last.length == whole.length, whole.length > 0 {
                let parent = whole.widened(to: whole.length - 1)
                guard parent.contains(last) else { break }
                result.removeLast()
                whole = parent
            }
            result.append(whole)
        }
        return result
    }
}

extension [ClosedRange<UInt16>] {
    /// The same ports in ascending ranges that neither overlap nor touch.
    func merged() -> [ClosedRange<UInt16>] {
        guard count > 1 else { return self }
        var result: [ClosedRange<UInt16>] = []
        for range in sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
            if let last = result.last, UInt32(range.lowerBound) <= UInt32(last.upperBound) + 1 {
                result[result.count - 1] = last.lowerBound...Swift.max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
