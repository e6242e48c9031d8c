import API
import ArgumentParser
import CAllocator
import Control
import Domain
import Foundation
import LinuxNet
import Logging
import Metrics
import NIOPosix
import Servers
import ServiceLifecycle
import Store

/// The daemon: configuration, then composition, then the services until a signal ends them. What is in the kernel
/// stays there: without Cordon's processes the last ruleset remains in force.
@main
struct Cordond: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cordond", abstract: "Admits sessions, enforces policies and serves the API.")

    @Option(help: "The configuration file.")
    var config = "/etc/cordon/cordon.yaml"

    func run() async throws {
        // glibc's allocator gives memory back as soon as some is free, and takes what is large from the kernel anew each time:
        // receive buffers and batches come and go a hundred times a second, and each page that comes back is cleared first
        // (measured: 4 to 9 % more admissions a second).
        cordon_keep_memory()
        let configuration: Configuration
        do {
            let text = try String(contentsOfFile: config, encoding: .utf8)
            configuration = try Configuration(parsing: text, file: config)
        } catch let error as ConfigurationError {
            throw ValidationError("\(error)")
        } catch {
            throw ValidationError("\(config) cannot be read: \(error.localizedDescription)")
        }
        let level = configuration.logLevel
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let logger = Logger(label: "cordond")
        do {
            try await Composition(configuration: configuration, logger: logger).run()
        } catch {
            logger.critical("cordond ends", metadata: ["error": "\(error)"])
            throw ExitCode.failure
        }
        logger.notice("cordond has ended; the ruleset stays in force")
    }
}
