// swift-tools-version:5.9
import PackageDescription

// liblitestash is found by pkg-config, or by -Xlinker -L where it is not installed.
let package = Package(
    name: "LiteStash",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .watchOS(.v9)],
    products: [
        .library(name: "LiteStash", targets: ["LiteStash"])
    ],
    targets: [
        .systemLibrary(name: "CLiteStash", pkgConfig: "litestash"),
        .target(name: "LiteStash", dependencies: ["CLiteStash"]),
        .executableTarget(name: "ConformanceRunner", dependencies: ["LiteStash", "CLiteStash"]),
        .systemLibrary(name: "CSQLite", path: "Sources/CSQLite"),  // for Benchmark
        .executableTarget(name: "Benchmark", dependencies: ["LiteStash", "CSQLite"]),
        .testTarget(name: "LiteStashTests", dependencies: ["LiteStash"]),
    ]
)
