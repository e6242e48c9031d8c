/// Messages written and read by hand.
enum Wire {
    static func u16(_ number: Int) -> [UInt8] { [UInt8(number >> 8 & 0xff), UInt8(number & 0xff)] }
    static func u32(_ number: Int) -> [UInt8] { u16(number >> 16) + u16(number & 0xffff) }

    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    static func query(
        _ name: String, type: Int = 1, id: Int = 0x4242, flags: Int = 0x0100, edns: Int? = nil
    ) -> [UInt8] {
        var query = u16(id) + u16(flags) + u16(1) + u16(0) + u16(0)
        query += u16(edns == nil ? 0 : 1) + Wire.name(name) + u16(type) + u16(1)
        if let edns { query += [0] + u16(41) + u16(edns) + [0, 0, 0, 0, 0, 0] }
        return query
    }

    /// Where the question ends.
    static func questionEnd(_ message: [UInt8]) -> Int {
        var index = 12
        while index < message.count, message[index] != 0 { index += 1 + Int(message[index]) }
        return index + 5
    }

    static func questionName(_ message: [UInt8]) -> String {
        var labels: [String] = []
        var index = 12
        while index < message.count, message[index] != 0 {
            let end = index + 1 + Int(message[index])
            labels.append(String(decoding: message[index + 1..<end], as: UTF8.self))
            index = end
        }
        return labels.joined(separator: ".")
    }

    static func record(_ owner: String?, _ type: Int, _ data: [UInt8], ttl: Int = 300) -> [UInt8] {
        let owner: [UInt8] = owner.map(name) ?? [0xc0, 12]
        return owner + u16(type) + u16(1) + u32(ttl) + u16(data.count) + data
    }

    static func a(_ octets: [UInt8]) -> [UInt8] { record(nil, 1, octets) }
    static func a(_ owner: String, _ octets: [UInt8]) -> [UInt8] { record(owner, 1, octets) }

    static func cname(_ owner: String? = nil, to target: String) -> [UInt8] { record(owner, 5, name(target)) }

    /// With the query's id and question as they are.
    static func answer(to query: [UInt8], flags: Int = 0x8180, _ records: [[UInt8]] = []) -> [UInt8] {
        var answer = Array(query.prefix(2)) + u16(flags) + u16(1) + u16(records.count)
        answer += [0, 0, 0, 0]
        answer += query[12..<min(query.count, questionEnd(query))]
        for record in records { answer += record }
        return answer
    }

    static func code(_ answer: [UInt8]?) -> Int? { answer.map { Int($0[3] & 0xf) } }
    static func isTruncated(_ answer: [UInt8]) -> Bool { answer[2] & 2 != 0 }
    static func count(_ answer: [UInt8]) -> Int { Int(answer[6]) << 8 | Int(answer[7]) }

    /// The code of the first extended error in an answer whose OPT record stands last and has only that.
    static func extendedError(_ answer: [UInt8]) -> Int? {
        for index in questionEnd(answer)..<answer.count - 14
        where Array(answer[index..<index + 3]) == [0, 0, 41] && answer[index + 11] == 0 && answer[index + 12] == 15 {
            return Int(answer[index + 15]) << 8 | Int(answer[index + 16])
        }
        return nil
    }
}
