import Domain

extension NameList {
    /// A list in the making. What is said first about a name holds.
    package struct Builder {
        /// Positions of names have 31 bits.
        static let maximumOctets = 1 << 31 - 1024
        /// Answers that differ, of one list. One that sends all its names to the same place has one.
        static let maximumAnswers = 65_536

        package enum Insertion: Hashable {
            case added
            /// It was there already, with the same action.
            case repeated
            /// It was there already with another action, which stays.
            case contradicts
            /// There are too many answers that differ, or too many names.
            case full
        }

        private var octets: [UInt8] = [0]
        private var exact = NameTable()
        private var below = NameTable()
        private var prefixes = PrefixTable()
        private var answers: [[LocalRecord]] = []
        private var answerNumbers: [[LocalRecord]: Int] = [:]
        private let limit: Int

        /// - Parameter limit: names, wildcards and prefixes together.
        package init(limit: Int = .max) { self.limit = limit }

        private var count: Int { exact.count + below.count + prefixes.count }

        /// - Parameters:
        ///   - name: one whole name in lower case, to its end.
        ///   - isWildcard: whether it stands for all below it, and not for itself.
        ///   - record: one that is answered; other records of the same name come in other calls.
        mutating func insert(
            _ name: [UInt8], isWildcard: Bool, _ action: Action, _ record: LocalRecord? = nil
        ) -> Insertion {
            let hash = NameStep.with(of: name) { $0[0].hash }
            let known =
                isWildcard
                ? below.position(hash: hash, name, from: 0, among: octets)
                : exact.position(hash: hash, name, from: 0, among: octets)
            if let position = known {
                return add(record, action, toNameAt: Int(position))
            }
            guard count < limit, octets.count < Self.maximumOctets else { return .full }
            if let record {
                guard let number = number(of: [record]) else { return .full }
                let start = octets.count
                octets.append(contentsOf: repeatElement(0, count: 4))
                EntryHeader.setAnswer(number, in: &octets, before: start + 5)
            }
            octets.append(EntryHeader.octet(action, isWildcard: isWildcard))
            let position = UInt32(octets.count)
            octets += name
            if isWildcard {
                below.insert(hash: hash, at: position)
            } else {
                exact.insert(hash: hash, at: position)
            }
            return .added
        }

        mutating func insert(
            _ prefix: PrefixTable.Prefix, _ action: Action, _ record: LocalRecord? = nil
        ) -> Insertion {
            if let index = prefixes.index(of: prefix) {
                let known = prefixes.action(at: index)
                guard known.action == action else { return .contradicts }
                guard let record, let answer = known.answer, !answers[answer].contains(record) else { return .repeated }
                guard let number = number(of: answers[answer] + [record]) else { return .full }
                prefixes.replace(at: index, by: PrefixTable.Outcome(action: action, answer: number))
                return .repeated
            }
            guard count < limit else { return .full }
            var answer: Int?
            if let record {
                answer = number(of: [record])
                if answer == nil { return .full }
            }
            prefixes.insert(prefix, PrefixTable.Outcome(action: action, answer: answer))
            return .added
        }

        package consuming func finished() -> NameList {
            // As much memory as there are octets, not as much as they grew into.
            let exactSize = [UInt8](unsafeUninitializedCapacity: octets.count) { buffer, count in
                count = buffer.initialize(fromContentsOf: octets)
            }
            return NameList(octets: exactSize, exact: exact, below: below, prefixes: prefixes, answers: answers)
        }

        private mutating func add(_ record: LocalRecord?, _ action: Action, toNameAt position: Int) -> Insertion {
            guard EntryHeader.action(octets[position - 1]) == action else { return .contradicts }
            guard let record else { return .repeated }
            let known = answers[EntryHeader.answer(in: octets, before: position)]
            guard !known.contains(record) else { return .repeated }
            guard let number = number(of: known + [record]) else { return .full }
            EntryHeader.setAnswer(number, in: &octets, before: position)
            return .repeated
        }

        private mutating func number(of records: [LocalRecord]) -> Int? {
            if let number = answerNumbers[records] { return number }
            guard answers.count < Self.maximumAnswers, records.count <= 64 else { return nil }
            answers.append(records)
            answerNumbers[records] = answers.count - 1
            return answers.count - 1
        }
    }
}
