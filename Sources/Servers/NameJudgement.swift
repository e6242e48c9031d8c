import Control
import DNS

/// What a device gets instead of an answer.
struct Refusal {
    let answer: LocalAnswer
    let error: ExtendedError
}

extension NameClient {
    /// For a name that may not be looked up, or an answer that leads to one.
    func refusal(_ reason: NameFilter.Reason) -> Refusal {
        Refusal(answer: localAnswer, error: reason.extendedError)
    }

    /// For an answer with an address that it may not have.
    var rebindingRefusal: Refusal {
        Refusal(answer: localAnswer, error: ExtendedError(.blocked, "the answer has an address of a private network"))
    }

    private var localAnswer: LocalAnswer {
        switch blockAnswer {
        case .nxdomain: .nxdomain
        case .nodata: .nodata
        case .refused: .refused
        case .address(let address): .address(address)
        }
    }
}

extension NameFilter.Reason {
    /// RFC 8914 §4.16 to §4.19: what the device's owner asked for is filtered, what it was never given is prohibited.
    var extendedError: ExtendedError {
        switch self {
        case .denied: ExtendedError(.filtered, "the policy denies this name")
        case .notAllowed: ExtendedError(.prohibited, "the policy does not allow this name")
        }
    }
}
