import Control
import Domain
import Foundation
import Store
import Synchronization
import Testing

@Suite struct FairnessTests {
    @Test func `a NAS that floods does not keep another waiting`() async throws {
        try await Bench.run(settings: {
            ($0.queueCapacity, $0.batchLimit, $0.verificationInterval) = (1000, 8, .milliseconds(2))
        }) { bench in
            _ = try await bench.tenant("acme", sims: 1)
            let quiet = try await bench.control.createNAS(
                Name(parsing: "quiet"), address: IPv4Address(parsing: "198.18.0.9"),
                secret: Secret(bytes: Array("another secret of some length".utf8)), by: .system)
            let order = Mutex<[Bool]>([])
            let flooding = try AttachRequest(
                nas: bench.nasID, imsi: Bench.imsi(999), apn: APN(parsing: "iot"), accountingSessionID: nil,
                equipment: Equipment())
            let waiting = try AttachRequest(
                nas: quiet.id, imsi: Bench.imsi(0), apn: APN(parsing: "iot"), accountingSessionID: nil,
                equipment: Equipment())
            // The engine is held up in a look at the kernel, so that all of them wait.
            let (held, release) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            let kernel = bench.kernel
            Thread.detachNewThread {
                kernel.change { _ in
                    held.signal()
                    release.wait()
                }
            }
            held.wait()
            try await Task.sleep(for: .milliseconds(50))
            let taken = (0..<1500).count { _ in
                bench.control.attach(flooding) { _ in order.withLock { $0.append(false) } }
            }
            #expect(taken == 1000)
            let verdict = await withCheckedContinuation { continuation in
                let isTaken = bench.control.attach(waiting) { verdict in
                    order.withLock { $0.append(true) }
                    continuation.resume(returning: verdict)
                }
                #expect(isTaken, "the full queue has room for who has nothing in it")
                release.signal()
            }
            guard case .accept = verdict else {
                Issue.record("\(verdict)")
                return
            }
            // Before it: the one of the flood that had to give way to it, and at most the first batch.
            let place = try #require(order.withLock { $0.firstIndex(of: true) })
            #expect(place <= 9, "it was answered as number \(place)")
        }
    }

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

    private func name(_ request: Request) -> String {
        guard case .attach(let attach) = request.question else { return "?" }
        return "\(request.nas.rawValue).\(attach.accountingSessionID ?? "")"
    }
}
