import NIOCore
import NIOPosix
import Synchronization
import VICI

/// A vici server that answers as a test has it.
final class ScriptedCharon: Sendable {
    enum Reply: Sendable {
        case packet(Packet)
        /// What is no packet.
        case octets([UInt8])
        case close
    }

    typealias Script = @Sendable (Packet) -> [Reply]

    private struct State {
        var received: [Packet] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var accepted = 0
    }

    private let state = Mutex(State())
    private let listener = Mutex<(any Channel)?>(nil)
    let path: String

    init(path: String) { self.path = path }

    /// Commands and events, by name and in their order.
    var received: [Packet] { state.withLock(\.received) }
    var accepted: Int { state.withLock(\.accepted) }

    var commands: [String] {
        received.compactMap { packet in
            if case .commandRequest(let name, _) = packet { name } else { nil }
        }
    }

    /// The messages of a command.
    func messages(_ command: String) -> [Message] {
        received.compactMap { packet in
            if case .commandRequest(command, let message) = packet { message } else { nil }
        }
    }

    /// Confirms events, and takes every command with success.
    static func willing(_ packet: Packet) -> [Reply] {
        switch packet {
        case .eventRegister, .eventUnregister: [.packet(.eventConfirm)]
        case .commandRequest("terminate", _):
            [.packet(.commandResponse(success(["matches": "0", "terminated": "0"])))]
        case .commandRequest("get-conns", _): [.packet(.commandResponse(connections))]
        case .commandRequest: [.packet(.commandResponse(success()))]
        default: []
        }
    }

    private static var connections: Message {
        var message = Message()
        message.append("conns", list: [])
        return message
    }

    static func success(_ fields: [String: String] = [:]) -> Message {
        var message = Message()
        message.append("success", "yes")
        for (key, value) in fields { message.append(key, value) }
        return message
    }

    static func failure(_ words: String) -> Message {
        var message = Message()
        message.append("success", "no")
        message.append("errmsg", words)
        return message
    }

    func start(_ script: @escaping Script = ScriptedCharon.willing) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    self.state.withLock { state in
                        state.connections[ObjectIdentifier(channel)] = channel
                        state.accepted += 1
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { packet in
                            self.state.withLock { $0.received.append(packet) }
                            return script(packet)
                        })
                }
            }
            .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        listener.withLock { $0 = channel }
    }

    /// To all that are connected.
    func tell(_ replies: Reply...) async throws {
        for channel in state.withLock({ Array($0.connections.values) }) {
            for reply in replies {
                switch reply {
                case .packet(let packet): try await channel.writeAndFlush(ByteBuffer(bytes: packet.encoded()))
                case .octets(let octets): try await channel.writeAndFlush(ByteBuffer(bytes: octets))
                case .close: try await channel.close()
                }
            }
        }
    }

    func drop() async {
        let channels = state.withLock { state in
            defer { state.connections = [:] }
            return Array(state.connections.values)
        }
        // One that has ended already is what is wanted.
        for channel in channels { try? await channel.close() }
    }

    func stop() async {
        // As above.
        try? await listener.withLock({ $0 })?.close()
        await drop()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private var reader = FrameReader()
        private let script: (Packet) -> [Reply]

        init(script: @escaping (Packet) -> [Reply]) { self.script = script }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            reader.append(unwrapInboundIn(data).readableBytesView)
            do {
                while let packet = try reader.next() {
                    for reply in script(packet) {
                        switch reply {
                        case .packet(let packet):
                            context.write(wrapOutboundOut(ByteBuffer(bytes: try packet.encoded())), promise: nil)
                        case .octets(let octets):
                            context.write(wrapOutboundOut(ByteBuffer(bytes: octets)), promise: nil)
                        case .close:
                            context.close(promise: nil)
                            return
                        }
                    }
                }
                context.flush()
            } catch { context.close(promise: nil) }
        }
    }
}
