import Control
import Domain
import Testing

@Suite struct FairnessTests {
    @Test func `the queue serves NAS in turn and takes from the one that has most`() throws {
        var queue = WorkQueue(capacity: 6)
        let request = { (nas: Int64, number: Int) in
            Request(
                question: .attach(
                    AttachRequest(
                        nas: NAS.ID(nas), imsi: nil, apn: nil, accountingSessionID: "\(number)",
                        equipment: Equipment())),
                received: .now
            ) { _ in }
        }
        for number in 1...4 { _ = queue.append(request(1, number)) }
        for number in 1...2 { _ = queue.append(request(2, number)) }
        guard case .displacing(let displaced) = queue.append(request(3, 1)) else {
            Issue.record("a full queue refused a NAS that had nothing in it")
            return
        }
        #expect(name(displaced) == "1.4")
        guard case .refused = queue.append(request(1, 5)) else {
            Issue.record("the NAS that has most was let in")
            return
        }
        var batches: [[String]] = []
        while case .requests(let batch) = queue.next(limit: 4) { batches.append(batch.map(name)) }
        #expect(batches == [["1.1", "2.1", "3.1", "1.2"], ["2.2", "1.3"]])
    }

    @Test func `a batch is taken ahead of its turn when it is whole`() {
        var queue = WorkQueue(capacity: 9)
        for number in 1...5 {
            _ = queue.append(
                Request(
                    question: .attach(
                        AttachRequest(
                            nas: NAS.ID(1), imsi: nil, apn: nil, accountingSessionID: "\(number)",
                            equipment: Equipment())),
                    received: .now
                ) { _ in })
        }
        #expect(queue.nextWhole(limit: 6) == nil)
        #expect(queue.nextWhole(limit: 4)?.map(name) == ["1.1", "1.2", "1.3", "1.4"])
        #expect(queue.nextWhole(limit: 4) == nil)
        guard case .requests(let rest) = queue.next(limit: 4) else {
            Issue.record("the rest is gone")
            return
        }
        #expect(rest.map(name) == ["1.5"])
    }

    private func name(_ request: Request) -> String {
        guard case .attach(let attach) = request.question else { return "?" }
        return "\(request.nas.rawValue).\(attach.accountingSessionID ?? "")"
    }
}
