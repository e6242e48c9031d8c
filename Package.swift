// swift-tools-version: 6.2

import PackageDescription

// Each upcoming feature is the default of a later language mode; see docs/decisions/0001.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

// Tests are compiled without the optimiser: it crashes on some of their closures (Swift 6.3.1), and what they measure
// is in the targets that they test.
let testSettings = settings + [.unsafeFlags(["-Onone"])]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let grdbSQLite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "cordon",
    products: [
        .executable(name: "cordond", targets: ["cordond"]),
        .executable(name: "cordon", targets: ["cordon"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // Arrows point down only; scripts/check-imports holds each target to this list.
        .target(name: "Domain", swiftSettings: settings),
        .target(name: "PolicyCompiler", dependencies: ["Domain", yams], swiftSettings: settings),
        .target(name: "RADIUS", dependencies: ["Domain", crypto], swiftSettings: settings),
        .target(name: "DNS", dependencies: ["Domain"], swiftSettings: settings),
        .target(name: "IPFIX", dependencies: ["Domain"], swiftSettings: settings),
        .target(name: "VICI", dependencies: ["Domain"], swiftSettings: settings),
        .target(name: "PeerGuides", dependencies: ["Domain"], swiftSettings: settings),
        .target(name: "PKI", dependencies: ["Domain", crypto, x509, asn1], swiftSettings: settings),
        .target(
            name: "CNetfilter",
            linkerSettings: [.linkedLibrary("nftables"), .linkedLibrary("mnl")]),
        .target(name: "LinuxNet", dependencies: ["Domain", "PolicyCompiler", "CNetfilter"], swiftSettings: settings),
        .target(name: "CAllocator"),
        .target(name: "CSQLiteSettings", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "Store", dependencies: ["Domain", "CSQLiteSettings", grdb, grdbSQLite, crypto],
            swiftSettings: settings),
        .target(
            name: "Control",
            dependencies: [
                "Domain", "PolicyCompiler", "DNS", "VICI", "PKI", "PeerGuides", "Store", crypto, logging, metrics,
                lifecycle,
            ],
            swiftSettings: settings),
        .target(
            name: "Servers",
            dependencies: [
                "Domain", "RADIUS", "DNS", "IPFIX", "VICI", "Control", httpClient, nioCore, nioHTTP1, nioPosix, nioSSL,
                logging,
                metrics, lifecycle,
            ],
            swiftSettings: settings),
        .target(
            name: "API",
            dependencies: [
                "Domain", "PolicyCompiler", "VICI", "PKI", "PeerGuides", "Store", "Control", hummingbird, nioCore,
                logging, metrics, lifecycle,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "cordond",
            dependencies: [
                "Domain", "PolicyCompiler", "DNS", "LinuxNet", "Store", "Control", "Servers", "API", "CAllocator",
                logging, metrics, lifecycle, unixSignals, nioPosix, yams, argumentParser,
            ],
            swiftSettings: settings),
        .target(name: "Lab", dependencies: ["Domain", subprocess], swiftSettings: settings),
        .executableTarget(
            name: "cordon", dependencies: ["Domain", "Lab", argumentParser, httpClient, nioCore, nioHTTP1],
            swiftSettings: settings),

        // What benchmarks need beyond the programs they compare.
        .target(name: "CLoad", path: "Benchmarks/CLoad"),
        .executableTarget(
            name: "RADIUSLoad", dependencies: ["CLoad", argumentParser, crypto], path: "Benchmarks/RADIUSLoad",
            swiftSettings: settings),
        .executableTarget(
            name: "PacketLoad", dependencies: ["CLoad", argumentParser], path: "Benchmarks/PacketLoad",
            swiftSettings: settings),
        .executableTarget(
            name: "FleetStore", dependencies: ["Domain", "Store", argumentParser], path: "Benchmarks/FleetStore",
            swiftSettings: settings),

        .executableTarget(
            name: "CompileLoad", dependencies: ["Domain", "PolicyCompiler", "LinuxNet", "Store", argumentParser],
            path: "Benchmarks/CompileLoad", swiftSettings: settings),

        .target(
            name: "TestSupport", dependencies: ["Domain", "PolicyCompiler"], path: "Tests/TestSupport",
            swiftSettings: settings),
        // Replaces malloc in the tests' program by one that counts.
        .target(name: "CMallocCount", path: "Tests/CMallocCount"),
        .testTarget(name: "DomainTests", dependencies: ["Domain", "TestSupport"], swiftSettings: testSettings),
        .testTarget(
            name: "PolicyCompilerTests", dependencies: ["PolicyCompiler", "Domain", "TestSupport", "CMallocCount"],
            resources: [.copy("Golden")],
            swiftSettings: testSettings),
        .testTarget(
            name: "RADIUSTests", dependencies: ["RADIUS", "Domain", "TestSupport", "CMallocCount", crypto],
            swiftSettings: testSettings),
        .testTarget(
            name: "DNSTests", dependencies: ["DNS", "Domain", "TestSupport", "CMallocCount"],
            swiftSettings: testSettings),
        .testTarget(
            name: "PKITests", dependencies: ["PKI", "Domain", "TestSupport"], resources: [.copy("Fixtures")],
            swiftSettings: testSettings),
        .testTarget(
            name: "VICITests", dependencies: ["VICI", "Domain", "TestSupport"], resources: [.copy("Captures")],
            swiftSettings: testSettings),
        .testTarget(
            name: "PeerGuidesTests", dependencies: ["PeerGuides", "Domain", "TestSupport"],
            resources: [.copy("Golden")],
            swiftSettings: testSettings),
        .testTarget(
            name: "ServersTests",
            dependencies: [
                "Servers", "RADIUS", "Control", "DNS", "VICI", "PKI", "Domain", nioCore, nioHTTP1, nioPosix, nioSSL,
                logging,
                metrics, lifecycle,
            ],
            swiftSettings: testSettings),
        .testTarget(name: "IPFIXTests", dependencies: ["IPFIX", "Domain", "TestSupport"], swiftSettings: testSettings),
        .testTarget(
            name: "StoreTests", dependencies: ["Store", "Domain", "TestSupport", grdb],
            resources: [.copy("Dumps")], swiftSettings: testSettings),
        .testTarget(
            name: "ControlTests",
            dependencies: [
                "Control", "Store", "PolicyCompiler", "DNS", "VICI", "PKI", "PeerGuides", "Domain", "TestSupport",
                crypto, logging, lifecycle,
            ],
            swiftSettings: testSettings),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Control", "VICI", "PKI", "PeerGuides", "Store", "PolicyCompiler", "Domain", "TestSupport",
                hummingbird, httpClient, logging, metrics, lifecycle, nioCore,
            ],
            swiftSettings: testSettings),
        .testTarget(
            name: "SystemTests",
            dependencies: [
                "LinuxNet", "PolicyCompiler", "Domain", "Lab", "PKI", "VICI", "TestSupport", crypto, subprocess,
            ],
            swiftSettings: testSettings),
    ]
)
