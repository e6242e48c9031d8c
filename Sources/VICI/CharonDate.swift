import Domain

/// A time as charon prints it (`%T`, libstrongswan/utils/utils/time.c): `Jan 01 00:00:00 2020`, in its host's zone, so
/// right to a day.
enum CharonDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    static func time(_ text: String) -> Timestamp? {
        let parts = text.split(separator: " ")
        guard parts.count >= 4, let month = months.firstIndex(of: String(parts[0])) else { return nil }
        let two = { (number: String) in (number.utf8.count == 1 ? "0" : "") + number }
        // Not of this form: no time is known, and the caller goes by what is likely.
        return try? Timestamp(parsing: "\(parts[3])-\(two(String(month + 1)))-\(two(String(parts[1])))T\(parts[2])Z")
    }
}
