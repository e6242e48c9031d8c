import Glibc

/// What the machine that the tests run on allows for. Where the processor is emulated everything takes several times as
/// long (`scripts/test-kernel-ipsec`).
enum Patience {
    /// By which limits are multiplied: `CORDON_PATIENCE`, and 1 where nobody says so.
    static let factor = number("CORDON_PATIENCE") ?? 1

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }.flatMap { $0 > 0 ? $0 : nil }
    }
}
