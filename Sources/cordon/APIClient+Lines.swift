import ArgumentParser
import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

extension APIClient {
    /// Gets an answer that comes line by line, and hands over each as it comes: the text, and what it says.
    /// - Throws: `ExitCode`, after the reason is on standard error; what `body` throws.
    func eachLine(
        _ path: String..., query: [(String, String?)], longest: TimeAmount,
        _ body: (String, JSONValue) throws -> Void
    ) async throws {
        do {
            try await lines(path, query: query, longest: longest) { try body($0, Self.value(of: $0)) }
        } catch let error as Interrupted {
            throw error.refusal ?? unreachable(error.cause)
        }
    }

    /// An answer that did not come, or broke off, for a reason that may pass.
    struct Interrupted: Error {
        let cause: any Error
        /// What the daemon says, when it says something.
        var refusal: ExitCode?
    }

    /// The same, with lines as they are.
    /// - Throws: ``Interrupted`` when the daemon cannot be reached, has too much to do, or is gone in the middle; `ExitCode`
    ///   when it refuses, after the reason is on standard error.
    func lines(
        _ path: [String], query: [(String, String?)], longest: TimeAmount, _ body: (String) throws -> Void
    ) async throws {
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request(.GET, path, query: query), timeout: longest)
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw Interrupted(cause: error)
        }
        let status = response.status.code
        guard (200..<300).contains(status) else {
            let text = String(buffer: try await response.body.collect(upTo: 1 << 20))
            let code = refused(status, text, Self.value(of: text), file: nil)
            guard status == 429 || status == 503 else { throw code }
            throw Interrupted(cause: code, refusal: code)
        }
        var rest = ByteBuffer()
        var parts = response.body.makeAsyncIterator()
        while true {
            do {
                guard var part = try await parts.next() else { return }
                rest.writeBuffer(&part)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                throw Interrupted(cause: error)
            }
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let length = end - rest.readerIndex
                guard let line = rest.readString(length: length) else { break }
                rest.moveReaderIndex(forwardBy: 1)
                try body(line)
            }
            rest.discardReadBytes()
        }
    }
}
