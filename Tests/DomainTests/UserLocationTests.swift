import Domain
import Testing

@Suite struct UserLocationTests {
    struct Case: CustomTestStringConvertible {
        let name: String
        let octets: [UInt8]
        let elements: [UserLocation.Element]
        var testDescription: String { name }
    }

    /// MCC 001, MNC 01, and MCC 310, MNC 150 (three digits).
    private static let two: [UInt8] = [0x00, 0xf1, 0x10]
    private static let three: [UInt8] = [0x13, 0x00, 0x51]

    static let cases: [Case] = {
        guard let a = PLMN(octets: 0x00, 0xf1, 0x10), let b = PLMN(octets: 0x13, 0x00, 0x51) else { return [] }
        return [
            Case(
                name: "0 CGI", octets: [0] + two + [0x12, 0x34, 0xab, 0xcd],
                elements: [.cgi(a, lac: 0x1234, cell: 0xabcd)]),
            Case(
                name: "1 SAI", octets: [1] + three + [0, 1, 0xff, 0xff],
                elements: [.sai(b, lac: 1, sac: 0xffff)]),
            Case(name: "2 RAI", octets: [2] + two + [0, 1, 9], elements: [.rai(a, lac: 1, rac: 9)]),
            Case(
                name: "2 RAI with an octet too many", octets: [2] + two + [0, 1, 9, 0xff],
                elements: [.rai(a, lac: 1, rac: 9)]),
            Case(name: "128 TAI", octets: [128] + three + [0x30, 0x39], elements: [.tai(b, tac: 12_345)]),
            Case(
                name: "129 ECGI, spare bits ignored", octets: [129] + two + [0xf1, 0x23, 0x45, 0x67],
                elements: [.ecgi(a, cell: 0x0123_4567)]),
            Case(
                name: "130 TAI and ECGI", octets: [130] + two + [0, 1] + three + [0, 0, 1, 1],
                elements: [.tai(a, tac: 1), .ecgi(b, cell: 0x101)]),
            Case(
                name: "131 eNodeB", octets: [131] + two + [0xf1, 0x23, 0x45],
                elements: [.eNodeB(a, id: 0x1_2345)]),
            Case(
                name: "132 TAI and eNodeB", octets: [132] + two + [0, 2] + two + [0, 0, 7],
                elements: [.tai(a, tac: 2), .eNodeB(a, id: 7)]),
            Case(
                name: "133 extended eNodeB, long", octets: [133] + two + [0x7f, 0xff, 0xff],
                elements: [.extendedENodeB(a, id: 0x1f_ffff, isShort: false)]),
            Case(
                name: "133 extended eNodeB, short", octets: [133] + two + [0xff, 0xff, 0xff],
                elements: [.extendedENodeB(a, id: 0x3_ffff, isShort: true)]),
            Case(
                name: "134 TAI and extended eNodeB", octets: [134] + two + [0, 2] + two + [0, 0, 7],
                elements: [.tai(a, tac: 2), .extendedENodeB(a, id: 7, isShort: false)]),
            Case(
                name: "135 NCGI, spare bits ignored", octets: [135] + three + [0xf1, 0x23, 0x45, 0x67, 0x89],
                elements: [.ncgi(b, cell: 0x1_2345_6789)]),
            Case(
                name: "136 5GS TAI", octets: [136] + two + [0x01, 0x02, 0x03],
                elements: [.tai5GS(a, tac: 0x01_0203)]),
            Case(
                name: "137 5GS TAI and NCGI", octets: [137] + two + [0, 0, 1] + two + [0, 0, 0, 0, 2],
                elements: [.tai5GS(a, tac: 1), .ncgi(a, cell: 2)]),
            Case(
                name: "138 NG-RAN node", octets: [138] + two + [1, 2, 3, 4],
                elements: [.ngRANNode(a, octets: [1, 2, 3, 4])]),
            Case(
                name: "139 5GS TAI and NG-RAN node", octets: [139] + two + [0, 0, 1] + three + [9],
                elements: [.tai5GS(a, tac: 1), .ngRANNode(b, octets: [9])]),
        ]
    }()

    @Test func `every type that the standard has is among the cases`() {
        #expect(Set(Self.cases.compactMap(\.octets.first)) == Set([0, 1, 2]).union(128...139))
    }

    @Test(arguments: cases)
    func `reads what it names, and nothing from fewer octets`(_ known: Case) {
        let location = UserLocation(octets: known.octets)
        #expect(location.elements == known.elements)
        #expect(location.network == known.elements.first?.network)
        #expect(location.kind?.rawValue == known.octets.first)
        let least = known.name.hasSuffix("too many") ? known.octets.count - 1 : known.octets.count
        let variable = known.octets[0] == 138 || known.octets[0] == 139
        for count in 0..<(variable ? least - 4 : least) {
            let short = UserLocation(octets: Array(known.octets.prefix(count)))
            #expect(short.elements == [], "\(count) octets")
            #expect(short.octets.count == count)
        }
    }

    @Test func `unknown types and digits that are none are kept as octets and name nothing`() {
        for octets: [UInt8] in [
            [], [3, 1, 2, 3], [127], [140, 0, 0xf1, 0x10, 1, 2, 3, 4], [255], [0, 0xaa, 0xf1, 0x10, 0, 1, 0, 1],
            [130, 0, 0xf1, 0x10, 0, 1, 0xff, 0xff, 0xff, 0, 0, 0, 1],
        ] {
            let location = UserLocation(octets: octets)
            #expect(location.elements == [])
            #expect(location.network == nil)
            #expect(location.octets == octets)
        }
    }
}
