import CNetfilter
import Glibc
import PolicyCompiler

/// A map of eBPF. It is there as long as somebody has it open, or a program that uses it is attached somewhere.
final class BPFMap: Sendable {
    let name: String
    let descriptor: Int32

    init(_ name: String, _ shape: cnf_bpf_shape) throws(DataPlaneError) {
        let result = cnf_bpf_map(name, shape)
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "making the eBPF map \(name)") }
        (self.name, descriptor) = (name, result)
    }

    /// The one that a program has which is loaded already; `nil` when it has none of that name and shape.
    init?(_ name: String, _ shape: cnf_bpf_shape, ofProgram id: UInt32) {
        let result = cnf_bpf_map_of_program(id, name, shape)
        guard result >= 0 else { return nil }
        (self.name, descriptor) = (name, result)
    }

    deinit { close(descriptor) }

    func set(_ key: [UInt8], _ value: [UInt8]) throws(DataPlaneError) {
        let result = cnf_bpf_set(descriptor, key, value)
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "setting an element of \(name)") }
    }

    /// One that is not there is none to remove.
    func remove(_ key: [UInt8]) throws(DataPlaneError) {
        let result = cnf_bpf_delete(descriptor, key)
        guard result >= 0 || result == -ENOENT else {
            throw DataPlaneError(errno: -result, operation: "removing an element of \(name)")
        }
    }

    /// - Parameter size: of the map's values.
    func value(of key: [UInt8], size: Int) throws(DataPlaneError) -> [UInt8] {
        var value = [UInt8](repeating: 0, count: size)
        let result = cnf_bpf_get(descriptor, key, &value)
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "reading an element of \(name)") }
        return value
    }

    /// `nil` when there is none of that key.
    /// - Parameter size: of the map's values.
    func find(_ key: [UInt8], size: Int) throws(DataPlaneError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: size)
        let result = cnf_bpf_get(descriptor, key, &value)
        if result == -ENOENT { return nil }
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "reading an element of \(name)") }
        return value
    }

    /// Takes the first of a queue; `nil` when it is empty.
    func pop(size: Int) throws(DataPlaneError) -> [UInt8]? {
        var value = [UInt8](repeating: 0, count: size)
        let result = cnf_bpf_pop(descriptor, &value)
        if result == -ENOENT { return nil }
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: "reading the queue \(name)") }
        return value
    }

    /// Reads some thousand elements of a hash table, from the beginning or from `place` on. One that is there throughout is
    /// in one of the parts.
    /// - Returns: where the next part begins; `nil` at the end.
    func read(
        from place: UInt32?, key keySize: Int, value valueSize: Int,
        _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) throws(DataPlaneError) -> UInt32? {
        let room = 8192
        var keys = [UInt8](repeating: 0, count: room * keySize)
        var values = [UInt8](repeating: 0, count: room * valueSize)
        var (next, count) = (place ?? 0, UInt32(room))
        let result = cnf_bpf_read(descriptor, &next, place == nil ? 1 : 0, &keys, &values, &count)
        guard result >= 0 || result == -ENOENT else {
            throw DataPlaneError(errno: -result, operation: "reading the map \(name)")
        }
        keys.withUnsafeBytes { keys in
            values.withUnsafeBytes { values in
                for index in 0..<min(Int(count), room) {
                    body(
                        keys[range: index * keySize..<(index + 1) * keySize],
                        values[range: index * valueSize..<(index + 1) * valueSize])
                }
            }
        }
        return result == -ENOENT ? nil : next
    }
}

/// A loaded program.
final class BPFProgram: Sendable {
    let descriptor: Int32
    /// By which the kernel names it.
    let id: UInt32

    /// - Parameters:
    ///   - type: for tc, or as a filter of packets.
    ///   - code: instructions of eight octets each.
    init(
        _ name: String, type: bpf_prog_type = BPF_PROG_TYPE_SCHED_CLS, _ code: [UInt8]
    ) throws(DataPlaneError) {
        let operation = "loading the eBPF program \(name)"
        let count = Int32(code.count / 8)
        let type = Int32(type.rawValue)
        var result = cnf_bpf_program(name, type, code, count, nil, 0)
        guard result >= 0 else {
            // Again, to hear what the verifier says: the end of it is what it did not like.
            var log = [CChar](repeating: 0, count: 1 << 18)
            let failure = -result
            result = cnf_bpf_program(name, type, code, count, &log, Int32(log.count))
            if result >= 0 { close(result) }
            let text = String(decoding: log.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let said = text.split(separator: "\n").suffix(4).joined(separator: "; ")
            let reason = DataPlaneError(errno: failure, operation: operation)
            throw DataPlaneError(
                code: reason.code, operation: operation,
                detail: said.isEmpty ? reason.detail : "\(reason.detail): \(said)")
        }
        descriptor = result
        let number = cnf_bpf_program_id(result)
        guard number >= 0 else {
            close(result)
            throw DataPlaneError(errno: -number, operation: operation)
        }
        id = UInt32(number)
    }

    deinit { close(descriptor) }

    /// Calls it with a packet of at least 14 octets.
    func run(_ packet: [UInt8], operation: String) throws(DataPlaneError) -> Int32 {
        let result = cnf_bpf_run(descriptor, packet, nil, UInt32(packet.count))
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: operation) }
        return result
    }

    /// The same; the packet is then as the program leaves it.
    func run(_ packet: inout [UInt8], operation: String) throws(DataPlaneError) -> Int32 {
        let size = UInt32(packet.count)
        let result = packet.withUnsafeMutableBytes { cnf_bpf_run(descriptor, $0.baseAddress, $0.baseAddress, size) }
        guard result >= 0 else { throw DataPlaneError(errno: -result, operation: operation) }
        return result
    }

    /// Instructions with the maps' descriptors in them.
    /// - Parameters:
    ///   - text: in hexadecimal.
    ///   - places: the instructions that name a map.
    static func code(
        of program: String, _ text: String?, _ places: [(place: Int, map: String)]?, _ map: (String) -> BPFMap?
    ) throws(DataPlaneError) -> [UInt8] {
        let broken = DataPlaneError(
            code: .unsupported, operation: "loading the eBPF program \(program)",
            detail: "it is not what scripts/bpf makes")
        guard let text, let places else { throw broken }
        var digits: [UInt8] = []
        for byte in text.utf8 where byte != UInt8(ascii: "\n") {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { throw broken }
            digits.append(UInt8(digit))
        }
        var code = stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        for (place, name) in places {
            let start = place * 8
            guard let map = map(name), start + 16 <= code.count else { throw broken }
            // The second half of the first octet names the kind of what is loaded: a map's descriptor.
            code[start + 1] = code[start + 1] & 0x0f | UInt8(BPF_PSEUDO_MAP_FD) << 4
            code.replaceSubrange(start + 4..<start + 8, with: UInt32(bitPattern: map.descriptor).nativeOctets)
        }
        return code
    }
}
