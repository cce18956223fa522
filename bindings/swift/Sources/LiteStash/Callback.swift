/// A function that the library calls during a call, and what it threw: no error may leave it through C.
final class Callback<Function> {
    private let function: Function
    private(set) var failure: (any Error)?

    init(_ function: Function) { self.function = function }

    /// What a context is the address of.
    static func of(_ context: UnsafeMutableRawPointer?) -> Callback {
        Unmanaged.fromOpaque(context!).takeUnretainedValue()
    }

    /// Calls the function. Nil if it threw.
    func call<Result>(_ body: (Function) throws -> Result) -> Result? {
        do { return try body(function) } catch {
            failure = error
            return nil
        }
    }

    /// Calls the function. Not 0 if it threw, which ends what the library does.
    func status(_ body: (Function) throws -> Void) -> Int32 { call(body) == nil ? 1 : 0 }
}

/// Calls `body` with the context by which C's functions find `function`. What that threw is thrown as it is.
func withCallback<Function, Result>(
    _ function: Function, _ body: (UnsafeMutableRawPointer) throws -> Result
) throws -> Result {
    let callback = Callback(function)
    return try withExtendedLifetime(callback) {
        let result: Result
        do { result = try body(Unmanaged.passUnretained(callback).toOpaque()) } catch {
            throw callback.failure ?? error
        }
        if let failure = callback.failure { throw failure }
        return result
    }
}
