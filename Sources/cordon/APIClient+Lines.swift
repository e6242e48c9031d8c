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
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request(.GET, path, query: query), timeout: longest)
        } catch {
            if Task.isCancelled { throw CancellationError() }
            throw unreachable(error)
        }
        guard (200..<300).contains(response.status.code) else {
            let text = String(buffer: try await response.body.collect(upTo: 1 << 20))
            throw refused(response.status.code, text, Self.value(of: text), file: nil)
        }
        var rest = ByteBuffer()
        var parts = response.body.makeAsyncIterator()
        while true {
            do {
                guard var part = try await parts.next() else { return }
                rest.writeBuffer(&part)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                throw unreachable(error)
            }
            while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                let length = end - rest.readerIndex
                guard let line = rest.readString(length: length) else { break }
                rest.moveReaderIndex(forwardBy: 1)
                try body(line, Self.value(of: line))
            }
            rest.discardReadBytes()
        }
    }
}
