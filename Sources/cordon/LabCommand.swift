import ArgumentParser
import Glibc
import Lab

struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab", abstract: "The laboratory: the product and its peers in network namespaces.",
        discussion: """
            Needs root, and the packages that `make setup` installs. The programs cordon and cordond are taken from \
            CORDON_BIN_DIR, else from this program's directory.
            """,
        subcommands: [Up.self, Down.self, Status.self, Env.self, Demo.self])

    /// Which laboratory.
    struct Options: ParsableArguments {
        @Option(help: "What the names of namespaces and directories begin with.")
        var prefix = "cordon"

        @Option(help: "The API's port on 127.0.0.1.")
        var apiPort: UInt16 = 8080

        @Option(help: "NAT 1's public addresses, a prefix within 198.19.0.0/16; 126 devices have ports at each.")
        var natPublic = "198.19.0.0/28"

        @Flag(
            inversion: .prefixedNo,
            help: "Enterprises at the internet, each with a network, and a strongSwan that waits for its configuration."
        )
        var enterprises = true

        var laboratory: Laboratory {
            get throws {
                Laboratory(
                    layout: try LabLayout(
                        prefix: prefix, apiPort: apiPort, natPublic: natPublic,
                        enterprises: enterprises ? LabLayout.Enterprise.allCases : []))
            }
        }
    }

    struct Up: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Brings the laboratory up; one that is up is left as it is.")
        @OptionGroup var options: Options

        func run() async throws {
            let laboratory = try options.laboratory
            let time = ContinuousClock.now
            let result = try await Interruption.cancels { try await laboratory.up() }
            switch result {
            case .broughtUp: print("the laboratory is up after \((ContinuousClock.now - time).inSeconds)")
            case .wasUp: print("the laboratory was up already")
            }
        }
    }

    struct Down: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes the laboratory down and removes all it made; its store and logs go too.")
        @OptionGroup var options: Options

        func run() async throws {
            let laboratory = try options.laboratory
            try await Interruption.cancels { try await laboratory.down() }
            let remains = laboratory.remains()
            guard remains.isEmpty else { throw ValidationError("still there: \(remains.joined(separator: ", "))") }
            print("the laboratory is down")
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says what of the laboratory is there; exit code 1 when it is not up.")
        @OptionGroup var options: Options

        func run() async throws {
            let laboratory = try options.laboratory
            var table = Table("WHAT", "NAME", "STATE")
            table.print(laboratory.status().map { [$0.kind, $0.name, $0.state] })
            guard laboratory.isUp else { throw ExitCode.failure }
        }
    }

    struct Env: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints shell exports: URL, token, RADIUS secret, namespaces.",
            usage: "eval \"$(cordon lab env)\"")
        @OptionGroup var options: Options

        func run() async throws {
            for variable in try options.laboratory.environment() {
                print("export \(variable.name)='\(variable.value)'")
            }
        }
    }

    struct Demo: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows the main job on real packets, step by step.",
            discussion: """
                Brings a fresh laboratory up, runs each scene and prints what was expected, what was seen and the time \
                it took. On a terminal the system is then left running until Ctrl-C. Exit code 1 when something was \
                not as expected.
                """)
        @OptionGroup var options: Options

        func run() async throws {
            let laboratory = try options.laboratory
            if !laboratory.remains().isEmpty {
                print("a laboratory is there from before: it is taken down first")
                try await Interruption.cancels { try await laboratory.down() }
            }
            let outcome: Result<Bool, any Error>
            do {
                outcome = .success(try await Interruption.cancels { try await show(laboratory) })
                if isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 {
                    inviteToLook(laboratory)
                    await Interruption.wait()
                }
            } catch {
                outcome = .failure(error)
            }
            // Whatever came of it, nothing is left behind. A second Ctrl-C leaves the rest to `cordon lab down`.
            try await Interruption.cancels { try await laboratory.down() }
            print("the laboratory is down")
            guard try outcome.get() else { throw ExitCode.failure }
        }

        private func show(_ laboratory: Laboratory) async throws -> Bool {
            let start = ContinuousClock.now
            _ = try await laboratory.up()
            print("The laboratory is up after \((ContinuousClock.now - start).inSeconds).\n")
            let printer = ObservationPrinter()
            if let demonstration = try await Demonstration.prepare(laboratory, report: printer.report) {
                for scene in Demonstration.Scene.allCases where options.enterprises || !scene.needsEnterprises {
                    printer.report(try await demonstration.run(scene))
                }
            }
            let (shown, wrong) = (printer.count, printer.wrong)
            print("\(shown - wrong) of \(shown) as expected, in \((ContinuousClock.now - start).inSeconds).")
            return wrong == 0
        }

        private func inviteToLook(_ laboratory: Laboratory) {
            let cordon = laboratory.layout.cordon
            let prefix = options.prefix == "cordon" ? "" : " --prefix " + options.prefix
            print(
                """

                The system is running. In another terminal, as root:

                  eval "$(\(cordon) lab env\(prefix))"
                  \(cordon) session list
                  \(cordon) vpn list --tenant acme
                  curl -H "Authorization: Bearer $CORDON_TOKEN" $CORDON_URL/v1/sessions

                Ctrl-C takes it down.
                """)
        }
    }
}

/// Prints observations as they come.
private final class ObservationPrinter {
    private(set) var count = 0
    private(set) var wrong = 0

    func report(_ observation: Observation) {
        count += 1
        if !observation.isAsExpected { wrong += 1 }
        print("\(count). \(observation.title)")
        print("     expected  \(observation.expected)")
        print("     seen      \(observation.seen)")
        for note in observation.notes { print("               \(note)") }
        print("     \(observation.isAsExpected ? "ok       " : "NOT SO   ") \(observation.time.inSeconds)\n")
        fflush(nil)
    }
}
