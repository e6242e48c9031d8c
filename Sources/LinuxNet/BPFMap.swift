import CNetfilter
import Glibc
import PolicyCompiler

/// A map of eBPF. It is there as long as somebody has it open, or a program that uses it is attached somewhere.
final class BPFMap {
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
}

/// A loaded program for tc.
final class BPFProgram {
    let descriptor: Int32
    /// By which the kernel names it.
    let id: UInt32

    /// - Parameter code: instructions of eight octets each.
    init(_ name: String, _ code: [UInt8]) throws(DataPlaneError) {
        let operation = "loading the eBPF program \(name)"
        let count = Int32(code.count / 8)
        var result = cnf_bpf_program(name, code, count, nil, 0)
        guard result >= 0 else {
            // Again, to hear what the verifier says: the end of it is what it did not like.
            var log = [CChar](repeating: 0, count: 1 << 18)
            let failure = -result
            result = cnf_bpf_program(name, code, count, &log, Int32(log.count))
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
}
